"""Requests: every body comes back byte for byte, from slots and envelope as a store gives them back."""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runstore.capture.codecs import CODECS, codec_for, codec_named
from runstore.capture.codecs.contract import RAW, STYLED, UNREAD
from runstore.capture.codecs.places import DELIVERY, Place
from runstore.capture.codecs.request import JsonRequests
from runstore.errors import InvalidInput, RunstoreError
from runstore.model.run import Run
from runstore.model.trees import ABSENT, UNKNOWN
from tests.capture.codecs.strategies import VALUES, requests, write, write_plainly
from tests.capture.codecs.support import URLS, decode, named, rebuilt

NAMES = sorted(URLS)
RANDOMS = st.randoms(use_true_random=False)
QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), random=RANDOMS)
@QUICK
def test_every_request_in_an_encoders_style_is_rebuilt_from_the_store(name: str, data: st.DataObject, random: Random) -> None:
    """Slots and envelope alone write the body again; nothing is kept raw, and no style needs an exception."""
    body = write_plainly(data.draw(requests(name)), random).encode()
    decoded = decode(name, body)
    assert decoded.exact == STYLED
    assert "tokens" not in decoded.wire["style"]
    assert rebuilt(named(name), decoded) == body


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), random=RANDOMS, mess=st.sampled_from([0.0, 0.05, 0.6]))
@QUICK
def test_every_request_in_any_style_is_rebuilt_from_the_store(name: str, data: st.DataObject, random: Random, mess: float) -> None:
    """However untidy the JSON, the bytes come back; where no style writes them they were kept raw."""
    body = write(data.draw(requests(name)), random, mess).encode()
    decoded = decode(name, body)
    assert decoded.exact in (STYLED, RAW)
    assert rebuilt(named(name), decoded) == body


@pytest.mark.parametrize("name", NAMES)
@given(body=st.binary(max_size=40))
@QUICK
def test_bytes_that_are_no_request_are_kept_as_they_are(name: str, body: bytes) -> None:
    """Nothing raises, and the body stands in `extra`, so that two unreadable requests are two runs."""
    decoded = decode(name, body)
    assert rebuilt(named(name), decoded) == body


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), at=st.integers(0, 400), new=st.binary(max_size=3))
@QUICK
def test_a_damaged_body_never_raises_and_is_rebuilt(name: str, data: st.DataObject, at: int, new: bytes) -> None:
    """A byte changed anywhere gives another body, and that body comes back too, unless no run can hold it."""
    body = bytearray(json.dumps(data.draw(requests(name))).encode())
    body[at % len(body) : at % len(body) + 1] = new
    decoded = decode(name, bytes(body))
    try:
        assert rebuilt(named(name), decoded) == bytes(body)
    except RunstoreError:
        kept = named(name).keep_request(URLS[name], {}, bytes(body))
        assert rebuilt(named(name), kept) == bytes(body)


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'{"a":1,"a":2.00}', b'{"temperature":NaN}', b'{"temperature":1e999}', b"[]", b'"x"', b"", b"\xff{}", b'{"a":1'],
)
def test_what_no_value_can_be_is_unread(body: bytes) -> None:
    """A duplicate key, a number out of range, a body that is no object: none is guessed at."""
    decoded = decode("openai.chat", body)
    assert decoded.exact == UNREAD
    assert "name" not in decoded.slots["model"]
    assert Run(**decoded.slots).slots["history"] is UNKNOWN
    assert rebuilt(named("openai.chat"), decoded) == body


def test_a_request_too_deep_for_a_run_can_be_kept() -> None:
    """What decodes and no run can hold is kept unread, with the model that the path names."""
    body = b'{"messages":' + b"[" * 70 + b"]" * 70 + b"}"
    kept = named("bedrock.converse").keep_request(URLS["bedrock.converse"], {}, body)
    assert kept.slots["model"]["name"] == "us.amazon.nova-micro-v1:0"
    assert rebuilt(named("bedrock.converse"), kept) == body


@pytest.mark.parametrize("depth", [25, 80, 400, 900, 5000])
@pytest.mark.parametrize("field", ["messages", "temperature", "tools", "x"])
def test_a_body_of_any_depth_comes_back(field: str, depth: int) -> None:
    """Depth is never an accident: the body is decoded, or kept unread where no run can hold it."""
    deep = b'{"data":[' * depth + b"]}" * depth
    body = b'{"' + field.encode() + b'":[' + deep + b"]}"
    decoded = decode("openai.chat", body)
    try:
        assert rebuilt(named("openai.chat"), decoded) == body
    except RunstoreError:
        assert depth > 60
        with suppress(RunstoreError):
            named("openai.chat").rebuild_request(decoded.slots, decoded.wire)
        assert rebuilt(named("openai.chat"), named("openai.chat").keep_request(URLS["openai.chat"], {}, body)) == body


@pytest.mark.parametrize("name", NAMES)
def test_delivery_fields_change_no_identity(name: str) -> None:
    """Streaming, labels and the like lie in the envelope; one id for all of them."""
    codec = named(name)
    assert isinstance(codec, JsonRequests)
    plain = decode(name, {"model": "m", "x": 1})
    assert plain.slots["extra"]["x"] == 1
    for field, place in codec.layout.fields.items():
        if place is Place.DELIVERY:
            with_field = decode(name, {"model": "m", field: {"any": ["value", 1.0]}, "x": 1})
            assert Run(**with_field.slots).id == Run(**plain.slots).id
            assert with_field.wire["delivery"] == {field: {"any": ["value", 1.0]}}


@pytest.mark.parametrize("name", NAMES)
@given(key=st.text(max_size=8), value=VALUES)
@QUICK
def test_a_field_that_nobody_knows_changes_the_identity(name: str, key: str, value: Any) -> None:
    """A new provider field is never dropped: it stands in `extra`, and the run is another one."""
    codec = named(name)
    assert isinstance(codec, JsonRequests)
    if key in codec.layout.fields or key in codec.layout.opened:
        return
    decoded = decode(name, {key: value})
    assert key in decoded.slots["extra"]
    assert Run(**decoded.slots).id != Run(**decode(name, {}).slots).id


def test_every_delivery_field_has_a_reason_and_a_codec() -> None:
    """The one list holds nothing that no API has."""
    used = {
        field
        for codec in CODECS
        if isinstance(codec, JsonRequests)
        for field, place in codec.layout.fields.items()
        if place is Place.DELIVERY
    }
    assert used == set(DELIVERY)
    assert all(DELIVERY.values())


def test_settings_are_one_object_and_their_spelling_lies_in_the_envelope() -> None:
    """`1.0` and `1`, and another order of keys, are the same composition, and both bodies come back."""
    one = decode("openai.chat", b'{"model":"m","temperature":1.0,"logit_bias":{"b":1,"a":2}}')
    other = decode("openai.chat", b'{"logit_bias":{"a":2,"b":1},"temperature":1,"model":"m"}')
    assert Run(**one.slots).id == Run(**other.slots).id
    assert one.wire["sent"] == {"temperature": 1.0, "logit_bias": {"b": 1, "a": 2}}
    assert "sent" not in other.wire
    assert rebuilt(named("openai.chat"), one) == b'{"model":"m","temperature":1.0,"logit_bias":{"b":1,"a":2}}'


def test_another_setting_is_written_where_the_sent_spelling_stood() -> None:
    """A run whose temperature was changed is written with its own, not with the one that the envelope remembers."""
    decoded = decode("openai.chat", b'{"model":"m","temperature":1.0}')
    changed = {**decoded.slots, "parameters": {"temperature": 0.5}}
    assert named("openai.chat").rebuild_request(changed, decoded.wire).body == b'{"model":"m","temperature":0.5}'


def test_the_envelope_of_a_conversation_stays_the_same() -> None:
    """Turn after turn lies on the wire in the same way, so that a store keeps one envelope for all of them."""
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "how are you?"}]
    wires = [decode("openai.chat", {"model": "m", "messages": turns[:at], "temperature": 0.0}).wire for at in (1, 3)]
    assert wires[0] == wires[1]


def test_leading_instructions_are_the_prompt_and_later_ones_are_not() -> None:
    """Only the system and developer messages at the start are the prompt."""
    system, user = {"role": "system", "content": "a"}, {"role": "user", "content": "b"}
    developer = {"role": "developer", "content": "c"}
    slots = decode("openai.chat", {"model": "m", "messages": [system, developer, user, system]}).slots
    assert slots["prompt"] == [system, developer]
    assert slots["history"] == [user, system]


def test_what_was_not_sent_is_absent_and_what_is_of_the_wrong_kind_is_extra() -> None:
    """An empty array is an empty list, null and a map stand in `extra`, and a field that was not sent is absent."""
    slots = decode("openai.chat", {"model": "m", "messages": [], "tools": None, "documents": {"a": 1}}).slots
    assert slots["history"] == []
    assert (slots["prompt"], slots["tools"], slots["documents"]) == (ABSENT, ABSENT, ABSENT)
    assert slots["extra"] == {"tools": None, "documents": {"a": 1}}


def test_the_model_comes_from_the_body_or_the_path() -> None:
    """A path names it percent-encoded; Azure's deployment counts where the body names none."""
    assert decode("bedrock.converse", {}).slots["model"]["name"] == "us.amazon.nova-micro-v1:0"
    azure = "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-06-01&api-key=secret"
    model = decode("openai.chat", {}, url=azure).slots["model"]
    assert model == {
        "api": "openai.chat",
        "endpoint": "https://r.openai.azure.com/openai/deployments/gpt-4o",
        "api-version": "2024-06-01",
        "name": "gpt-4o",
    }


def test_a_path_that_names_the_model_is_what_counts() -> None:
    """Gemini and Bedrock obey the path; a model in the body is a field that no rule places."""
    decoded = decode("gemini.generate", {"model": "other"})
    assert (decoded.slots["model"]["name"], decoded.slots["extra"]) == ("gemini-2.5-flash", {"model": "other"})
    assert named("gemini.generate").rebuild_request(decoded.slots, decoded.wire).target == "/v1beta/models/gemini-2.5-flash:generateContent"


def test_a_run_with_another_model_goes_to_another_path() -> None:
    """Where the path names the model, a changed model changes the path."""
    decoded = decode("gemini.generate", {})
    changed = {**decoded.slots, "model": {**decoded.slots["model"], "name": "a b"}}
    assert named("gemini.generate").rebuild_request(changed, decoded.wire).target == "/v1beta/models/a%20b:generateContent"


def test_streaming_by_path_is_the_same_run() -> None:
    """Gemini and Bedrock ask for a stream by the path: that is delivery."""
    url = URLS["gemini.generate"].replace(":generateContent", ":streamGenerateContent?alt=sse&key=AIza")
    asked = decode("gemini.generate", {"contents": []}, url=url)
    assert Run(**asked.slots).id == Run(**decode("gemini.generate", {"contents": []}).slots).id
    assert named("gemini.generate").rebuild_request(asked.slots, asked.wire).target.endswith("?alt=sse")


def test_counting_tokens_is_another_operation() -> None:
    """A request that only counts is not the run that answers."""
    counted = decode("anthropic.messages", {"model": "m"}, url=URLS["anthropic.messages"] + "/count_tokens")
    assert counted.slots["model"]["operation"] == "count_tokens"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.groq.com/openai/v1/chat/completions", "openai.chat"),
        ("https://openrouter.ai/api/v1/chat/completions", "openai.chat"),
        ("http://localhost:8000/v1/chat/completions", "openai.chat"),
        ("https://api.mistral.ai/v1/chat/completions", "mistral.chat"),
        ("https://eu.api.mistral.ai/v1/chat/completions", "mistral.chat"),
        ("https://evil-mistral.ai/v1/chat/completions", "openai.chat"),
        ("https://api.openai.com/v1/completions", "openai.completions"),
        ("https://api.openai.com/v1/responses/compact", "openai.responses"),
        ("https://h/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict", "anthropic.messages"),
        ("https://h/v1/projects/p/locations/l/publishers/google/models/gemini:streamGenerateContent", "gemini.generate"),
        ("http://127.0.0.1:11434/api/embeddings", "ollama.embed"),
        ("https://api.openai.com/v1/models", None),
        ("https://api.openai.com/v1/responses/resp_1", None),
        ("ftp://api.openai.com/v1/responses", None),
        ("no url", None),
        ("https://[::1/v1/responses", None),
    ],
)
def test_calls_find_their_codec(url: str, name: str | None) -> None:
    """The path tells the API, and for Mistral the host; what is no call has no codec."""
    codec = codec_for(url, "POST")
    assert (codec.name if codec else None) == name
    assert codec_for(url, "GET") is None


def test_an_envelope_names_its_codec() -> None:
    """A stored envelope leads back to the codec and the version that wrote it."""
    assert all(codec_named({"codec": f"{codec.name}/{codec.version}"}) is codec for codec in CODECS)
    with pytest.raises(InvalidInput):
        codec_named({"codec": "openai.chat/999"})


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), other=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_slots_and_envelope_that_do_not_belong_together_end_in_an_error(name: str, data: st.DataObject, other: st.DataObject) -> None:
    """The envelope of one request and the slots of another give a body or an ordinary error, never another exception."""
    first = decode(name, data.draw(requests(name)))
    second = decode(name, other.draw(requests(name)))
    with suppress(RunstoreError):
        named(name).rebuild_request(first.slots, second.wire)
