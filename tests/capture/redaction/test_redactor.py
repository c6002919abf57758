"""The redactor: exchanges, slots and fields without secrets, and where they stood."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from runstore.capture.codecs.framing import amazon_message
from runstore.capture.exchange import Exchange
from runstore.capture.redaction import Redactor
from runstore.errors import Refused
from tests.capture.redaction.secrets import TOKENS

SECRET = TOKENS["github-token"]
URL = "https://api.openai.com/v1/chat/completions"


def exchange(**parts: object) -> Exchange:
    """Return an exchange with a request and a JSON response."""
    plain = Exchange("POST", URL, (("content-type", "application/json"),), b"{}", 200, (("content-type", "application/json"),), b"{}")
    return plain._replace(**parts)  # type: ignore[arg-type]


def test_places_are_json_pointers() -> None:
    """A finding names the string by its pointer, with the escapes of RFC 6901."""
    body = json.dumps({"messages": [{"role": "user"}, {"a/b~": f"key {SECRET}"}]}).encode()
    clean, found = Redactor()(exchange(request_body=body))
    assert found == ({"at": "/request/body/messages/1/a~1b~0", "rule": "github-token"},)
    assert SECRET.encode() not in clean.request_body


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_json_is_scanned_in_every_charset_that_readers_take(charset: str) -> None:
    """What a codec would read is what the scan reads; it stays in its charset."""
    body = json.dumps({"messages": [{"content": f"key {SECRET} é"}]}, ensure_ascii=False).encode(charset)
    clean, found = Redactor()(exchange(request_body=body))
    assert found == ({"at": "/request/body/messages/0/content", "rule": "github-token"},)
    assert json.loads(clean.request_body) == {"messages": [{"content": "key [redacted:github-token] é"}]}


def test_bytes_that_only_begin_like_wide_characters_are_scanned_as_they_are() -> None:
    """A zero byte or a mark makes no text: what is no JSON in that charset is read byte by byte."""
    for head in (b"\xff\xfe", b"\0\0\0\x10", b"{\0"):
        clean, found = Redactor()(exchange(request_body=head + SECRET.encode() + b"\xff "))
        assert [one["rule"] for one in found] == ["github-token"]
        assert SECRET.encode() not in clean.request_body


def test_headers_that_are_kept_are_scanned() -> None:
    """A secret in a header on the list is masked; one in a header that is dropped is no finding."""
    headers = (("User-Agent", f"app {SECRET}"), ("Authorization", f"Bearer {SECRET}"))
    clean, found = Redactor()(exchange(request_headers=headers))
    assert [one["at"] for one in found] == ["/request/headers/user-agent"]
    assert clean.request_headers[0] == ("User-Agent", "app [redacted:github-token]")


def test_a_url_is_scanned() -> None:
    """A secret in a path or a query is masked, also where it is percent-encoded."""
    _, found = Redactor()(exchange(url=f"https://gateway.example.org/{SECRET}/v1/chat/completions?api-version={SECRET}"))
    assert {one["at"] for one in found} == {"/request/url"}


def stream(*pieces: str) -> bytes:
    """Return server-sent events with the pieces of a text."""
    deltas = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in deltas) + b"data: [DONE]\n\n"


def contents(body: bytes) -> str:
    """Return the text of server-sent events."""
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
    return "".join(json.loads(line)["choices"][0]["delta"]["content"] for line in lines)


@pytest.mark.parametrize("size", [1, 2, 5, 13, 100])
def test_a_secret_in_pieces_is_masked_in_the_pieces(size: int) -> None:
    """However the stream was cut: the text put together holds the mask, all else stands, and the events are as many."""
    text = f"The key is {SECRET}, keep it."
    body = stream(*[text[at : at + size] for at in range(0, len(text), size)])
    clean, found = Redactor()(exchange(response_headers=(("content-type", "text/event-stream"),), response_body=body))
    assert contents(clean.response_body) == "The key is [redacted:github-token], keep it."
    assert clean.response_body.count(b"data:") == body.count(b"data:")
    assert {one["rule"] for one in found} == {"github-token"}


def test_choices_that_come_interleaved_are_put_together_apart() -> None:
    """The pieces of one choice are not mixed with those of another."""
    deltas = [
        {"choices": [{"index": number % 2, "delta": {"content": piece}}]}
        for number, piece in enumerate(part for at in range(0, len(SECRET), 4) for part in (SECRET[at : at + 4], "word "))
    ]
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in deltas)
    clean, _ = Redactor()(exchange(response_headers=(("content-type", "text/event-stream"),), response_body=body))
    assert b"[redacted:github-token]" in clean.response_body
    assert contents(clean.response_body).count("word ") == len(deltas) // 2


def test_arguments_of_calls_are_put_together_with_their_escapes() -> None:
    """Pieces of a text of JSON inside a stream of JSON are read as one."""
    text = json.dumps({"command": f"export\n{SECRET}"})
    events = [{"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}} for piece in text]
    body = b"".join(b"event: content_block_delta\ndata: " + json.dumps(each).encode() + b"\n\n" for each in events)
    clean, found = Redactor()(exchange(response_headers=(("content-type", "text/event-stream"),), response_body=body))
    assert b"[redacted:github-token]" in clean.response_body
    assert found


@pytest.mark.parametrize("wrapped", [False, True])
def test_event_streams_of_amazon_are_read_and_framed_anew(wrapped: bool) -> None:
    """Converse's events and invoke's base64 inside them: masked, with sums that fit."""
    from runstore.capture.codecs.sse import amazon

    texts = [f"Key: {SECRET[:9]}", SECRET[9:20], SECRET[20:] + "."]
    events = [{"contentBlockIndex": 0, "delta": {"text": text}} for text in texts]
    payloads = [{"bytes": b64encode(json.dumps(each).encode()).decode()} if wrapped else each for each in events]
    body = b"".join(amazon_message("contentBlockDelta", json.dumps(each).encode()) for each in payloads)
    headers = (("content-type", "application/vnd.amazon.eventstream"),)
    clean, found = Redactor()(exchange(response_headers=headers, response_body=body))
    read = amazon(clean.response_body)
    assert read.whole
    assert len(read.items) == 3
    assert [one["rule"] for one in found] == ["github-token"]


def test_a_finding_can_refuse_the_call() -> None:
    """The error names the rule and the place, and nothing of the secret."""
    with pytest.raises(Refused) as caught:
        Redactor(refuse=True)(exchange(request_body=json.dumps({"prompt": SECRET}).encode()))
    assert "/request/body/prompt" in str(caught.value)
    assert SECRET[4:12] not in str(caught.value)


def test_a_hook_may_change_what_is_stored() -> None:
    """What a function of the user's takes out is noted under its name."""

    def without_names(held: Exchange) -> Exchange:
        return held._replace(request_body=held.request_body.replace(b"Ada", b"NAME"))

    clean, found = Redactor(hooks=[without_names])(exchange(request_body=b'{"prompt": "Ada asks"}'))
    assert clean.request_body == b'{"prompt": "NAME asks"}'
    assert found == ({"at": "/request/body", "rule": "without_names"},)


def test_an_exchange_without_secrets_is_the_same() -> None:
    """Bodies are not written anew where nothing was found."""
    held = exchange(request_body=b'{ "a" : [1.0, "\\u00e9"] }', response_body=b"\xff\x00 no text")
    assert Redactor()(held) == (held, ())


def test_slots_and_fields_are_masked_by_their_places() -> None:
    """What importers tell in words of their own is masked in strings, keys and bytes."""
    slots, fields, found = Redactor().told({"prompt": [f"use {SECRET}"], "model": {"name": "m"}}, {"output": SECRET.encode(), "started": 3})
    assert slots == {"prompt": ["use [redacted:github-token]"], "model": {"name": "m"}}
    assert fields == {"output": b"[redacted:github-token]", "started": 3}
    assert [one["at"] for one in found] == ["/run/prompt/0", "/execution/output"]
