"""References: what a request points at instead of holding it, with a pointer into the body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.capture.codecs.support import decode, named

PICTURE = "https://example.org/cat.png"


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("openai.responses", {"previous_response_id": "resp_1"}, [("/previous_response_id", "server-history")]),
        ("openai.responses", {"previous_response_id": None, "conversation": {"id": "conv_1"}}, [("/conversation", "server-history")]),
        ("openai.responses", {"input": [{"type": "item_reference", "id": "rs_1"}]}, [("/input/0/id", "server-history")]),
        ("openai.responses", {"prompt": {"id": "pmpt_1", "version": "2"}}, [("/prompt", "server-prompt")]),
        (
            "openai.responses",
            {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
            [("/tools/0/vector_store_ids", "server-store")],
        ),
        ("openai.responses", {"tools": [{"type": "mcp", "server_url": "https://h/mcp"}]}, [("/tools/0/server_url", "remote-tools")]),
        (
            "openai.chat",
            {
                "messages": [
                    {"role": "system", "content": "x"},
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]},
                ]
            },
            [("/messages/1/content/0/image_url", "by-url")],
        ),
        (
            "openai.chat",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            [("/messages/0/content/0/file/file_id", "server-file")],
        ),
        (
            "anthropic.messages",
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": PICTURE}}]}], "container": "c_1"},
            [("/messages/0/content/0/source/url", "by-url"), ("/container", "server-container")],
        ),
        ("gemini.generate", {"cachedContent": "cachedContents/1"}, [("/cachedContent", "server-cache")]),
        (
            "gemini.generate",
            {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/f"}}]}]},
            [("/contents/0/parts/0/fileData/fileUri", "by-url")],
        ),
        (
            "bedrock.converse",
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}}]}]},
            [("/messages/0/content/0/image/source/s3Location", "by-url")],
        ),
    ],
)
def test_what_lies_elsewhere_is_unresolved(name: str, body: dict[str, Any], found: list[tuple[str, str]]) -> None:
    """Each reference with its place in the body as it was sent and the code that `runstore check` uses."""
    decoded = decode(name, body)
    assert [(each.pointer, each.code) for each in named(name).unresolved(decoded.slots, decoded.wire)] == found


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": f"look at {PICTURE}"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}}]}]},
        {"messages": [{"role": "assistant", "content": "x", "annotations": [{"url": PICTURE}]}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"file_id": {"type": "string"}}}}}]},
        {"metadata": {"file_id": "f"}},
    ],
)
def test_what_is_in_the_request_or_only_talked_about_is_not(body: dict[str, Any]) -> None:
    """Texts, media, citations, schemas and labels hold nothing that acts on the run from elsewhere."""
    decoded = decode("openai.chat", body)
    assert named("openai.chat").unresolved(decoded.slots, decoded.wire) == ()


def test_a_key_with_a_slash_is_escaped_in_the_pointer() -> None:
    """Pointers are those of RFC 6901."""
    decoded = decode("openai.chat", {"a/b~c": {"file_id": "f"}})
    assert [each.pointer for each in named("openai.chat").unresolved(decoded.slots, decoded.wire)] == ["/a~1b~0c/file_id"]


def test_what_was_never_read_has_no_references() -> None:
    """A body that is no JSON is kept, and nobody knows what it points at."""
    decoded = decode("openai.chat", b"previous_response_id")
    assert named("openai.chat").unresolved(decoded.slots, decoded.wire) == ()
