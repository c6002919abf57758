"""URLs and headers: only what a list allows is kept, so that no credential is."""

from __future__ import annotations

import pytest

from runstore.capture.codecs.urls import media_type, read_headers, read_response_headers, read_url
from runstore.errors import InvalidInput
from runstore.model.encoding import encode
from tests.capture.codecs.support import URLS, decode, named

SECRET = "sk-THIS-IS-A-SECRET"
CREDENTIALS = [
    "Authorization", "authorization", "X-Api-Key", "api-key", "x-goog-api-key", "Cookie", "Proxy-Authorization", "X-Amz-Security-Token",
    "OpenAI-Organization", "OpenAI-Project", "x-goog-user-project", "cf-access-client-secret", "Ocp-Apim-Subscription-Key", "x-anything",
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(URLS))
def test_no_credential_of_a_url_or_header_reaches_slots_or_envelope(name: str) -> None:
    """User information, query keys and headers on no list are nowhere in what a codec gives."""
    scheme, _, rest = URLS[name].partition("://")
    url = f"{scheme}://user:{SECRET}@{rest}?key={SECRET}&code={SECRET}&sig={SECRET}#{SECRET}"
    headers = dict.fromkeys(CREDENTIALS, SECRET)
    for body in (b'{"model":"m"}', b"no json"):
        decoded = named(name).decode_request(url, headers, body)
        assert SECRET not in repr(decoded)
        assert SECRET.encode() not in encode(decoded.wire).body


def test_response_headers_on_no_list_are_dropped() -> None:
    """Cookies and organisations of an answer are not kept; its id and limits are."""
    kept = read_response_headers(
        {"Set-Cookie": SECRET, "openai-organization": SECRET, "X-Request-ID": "r1", "x-ratelimit-remaining-tokens": "7"}
    )
    assert kept == {"x-request-id": "r1", "x-ratelimit-remaining-tokens": "7"}


def test_version_headers_belong_to_the_model() -> None:
    """A beta that was switched on is part of what ran; several headers of one name are one."""
    wire, model = read_headers(
        [("anthropic-beta", "a"), ("Anthropic-Beta", "b"), ("anthropic-version", "2023-06-01"), ("User-Agent", "x/1")]
    )
    assert (wire, model) == ({"user-agent": "x/1"}, {"anthropic-beta": "a,b", "anthropic-version": "2023-06-01"})


def test_a_query_key_that_comes_again_is_not_lost() -> None:
    """Which of two versions a service takes is its own affair: a URL that names both is none that names one."""
    written = ["1", "2", "1&api-version=2", "2&api-version=1", "1&api-version=1"]
    found = [read_url(f"https://h/x?api-version={text}").versions["api-version"] for text in written]
    assert found == written
    assert read_url("https://h/x?api-version=1&beta=true&api-version=2").versions == {"api-version": "1&api-version=2", "beta": "true"}


@pytest.mark.parametrize(
    ("url", "origin", "loopback"),
    [
        ("https://API.openai.com:443/v1/x", "https://api.openai.com", False),
        ("http://h:8080/x", "http://h:8080", False),
        ("http://127.0.0.1:11434/x", "http://127.0.0.1:11434", True),
        ("http://localhost/x", "http://localhost", True),
        ("http://[::1]:9/x", "http://[::1]:9", True),
        ("http://127.example.org/x", "http://127.example.org", False),
    ],
)
def test_an_origin_is_scheme_host_and_port_that_is_not_the_usual(url: str, origin: str, loopback: bool) -> None:
    """Case and default ports tell no services apart; this machine is known as such."""
    target = read_url(url)
    assert (target.origin, target.loopback) == (origin, loopback)


def test_a_loopback_address_is_no_part_of_the_composition() -> None:
    """A local server on another port is the same run; where it was stands in the envelope."""
    decoded = decode("ollama.chat", {"model": "m"})
    assert decoded.slots["model"] == {"api": "ollama.chat", "name": "m"}
    assert decoded.wire["url"] == "http://127.0.0.1:11434/api/chat"


@pytest.mark.parametrize("url", ["", "x", "file:///etc/passwd", "https://", "https://h:99999/x", "https://[::1/x"])
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    """An ordinary error, which never quotes the query."""
    with pytest.raises(InvalidInput):
        read_url(url)


def test_a_media_type_is_read_without_its_parameters() -> None:
    """Case and charset do not matter."""
    assert media_type({"Content-Type": "Text/Event-Stream; charset=utf-8"}) == "text/event-stream"
    assert media_type({}) == ""
