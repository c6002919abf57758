"""The scan: every kind of secret, however it is written, and nothing else."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.capture.redaction import RULES, Scanner, custom
from runstore.capture.redaction.scan import apply
from tests.capture.redaction.secrets import PHRASES, PRIVATE_KEY, TOKENS

SCANNER = Scanner()


def test_there_is_a_sample_of_every_kind() -> None:
    """A rule without a sample would be tested by nothing; there are 30 kinds and more."""
    named = {*TOKENS, *PHRASES, "private-key"}
    assert len(named) >= 30
    assert {rule.name for rule in RULES} - named == {"teams-webhook", "1password-token"}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_secret_is_found_in_a_text(kind: str) -> None:
    """Nothing of it stays, and the rule of its kind is named."""
    masked, found = SCANNER.mask(f"use {TOKENS[kind]}, please")
    assert kind in masked
    assert [one.rule for one in found] == [kind]
    assert not any(part in masked for part in (TOKENS[kind][-12:], TOKENS[kind][10:20]))


@pytest.mark.parametrize("kind", PHRASES)
def test_a_secret_is_found_by_what_stands_around_it(kind: str) -> None:
    """The secret alone is masked: what names it stays."""
    text, secret = PHRASES[kind]
    masked, found = SCANNER.mask(text.format(secret))
    assert masked == text.format(f"[redacted:{found[0].rule}]")


FORMS = {
    "JSON": lambda text: json.dumps({"a": f"line\n{text}\nline"}),
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": f"line\n{text}\t"})}),
    "JSON in JSON in JSON": lambda text: json.dumps([json.dumps([json.dumps([f"é\n{text}"])])]),
    "escaped characters": lambda text: '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"',
    "escaped slashes": lambda text: json.dumps([text]).replace("/", "\\/"),
    "base64": lambda text: json.dumps({"data": b64encode(f"config\nkey {text} end".encode()).decode()}),
    "base64 of URLs": lambda text: json.dumps({"data": urlsafe_b64encode(f"ÿþ key {text} ÿ".encode()).decode()}),
    "base64 alone": lambda text: b64encode(text.encode()).decode(),
    "percent-encoded": lambda text: "https://example.org/?q=" + quote("a b " + text, safe=""),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [*TOKENS, "private-key"])
def test_a_secret_is_found_in_every_form(kind: str, form: str) -> None:
    """Escaped, encoded or nested: reading the form again gives nothing of the secret, and JSON stays JSON."""
    secret = PRIVATE_KEY if kind == "private-key" else TOKENS[kind]
    written = FORMS[form](secret)
    masked, found = SCANNER.mask(written)
    assert found
    assert SCANNER.find(masked) == []
    if form.startswith(("JSON", "escaped")):
        assert secret not in str(json.loads(masked))


def test_base64_stays_base64() -> None:
    """What is masked inside a file is written into the file: all else of it is kept."""
    written = b64encode(f"before {TOKENS['github-token']} after".encode()).decode()
    masked, _ = SCANNER.mask(f'"{written}"')
    assert masked == '"' + b64encode(b"before [redacted:github-token] after").decode() + '"'


@pytest.mark.parametrize(
    "text",
    [
        "task-management-system-with-long-name",
        "sk-some-kebab-case-identifier-of-a-skin",
        "the max_tokens parameter is 4096 and the secret of success is patience",
        '{"max_tokens": 4096, "prompt_tokens": 12, "next_page_token": "abc"}',
        "https://user@example.org/path and https://example.org:8080/a@b",
        "postgres://app:${PASSWORD}@db/main and mysql://app:xxxx@db",
        "password: please choose one with twelve letters",
        "api_key=os.environ['OPENAI_API_KEY']",
        "Authorization: Bearer <token>",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "call_Ab3dE5gH7jK9mN1pQ3sT5vX7 chatcmpl-9zQwErTyUiOpAsDfGhJkLzXcVbN toolu_01A09q90qw90lq917835lq9",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """What only looks a little like a secret is kept as it is."""
    assert SCANNER.find(text) == []


@given(st.text(), st.text(), st.sampled_from(sorted(TOKENS)))
def test_whatever_stands_around_it(before: str, after: str, kind: str) -> None:
    """A secret between spaces is found in any text, and the rest is kept."""
    masked, _ = SCANNER.mask(f"{before} {TOKENS[kind]} {after}")
    assert TOKENS[kind] not in masked


@given(st.text())
def test_scanning_never_fails_and_masking_twice_changes_nothing(text: str) -> None:
    """Whatever the text; a mask is no secret."""
    masked, _ = SCANNER.mask(text)
    assert SCANNER.mask(masked)[0] == masked


def test_a_pattern_of_ones_own() -> None:
    """A rule can be made from a regular expression, and stands beside the others or alone."""
    scanner = Scanner([custom("customer-number", r"CUST-\d{6}")])
    text = "for CUST-123456"
    assert apply(text, scanner.find(text)) == "for [redacted:customer-number]"
