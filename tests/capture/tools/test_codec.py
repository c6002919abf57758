"""The codec of tool calls: any body comes back, no two have one id, and what is no answer is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runstore
from runstore.capture.codecs.framing import json_bytes
from runstore.capture.codecs.tool_call import TOOL, URL
from runstore.errors import InvalidInput

_OTHERS = [
    b"",
    b"[]",
    b'{"name":1,"arguments":{}}',
    b'{"name":"x","arguments":{},"more":1}',
    b'{"name":"x"}',
    b'{"arguments":{},"name":"x"}',
    b'{"name":"x","server":1,"arguments":{}}',
    b'{"name":"x", "arguments":{}}',
    b'{"name":"x","arguments":{"a":1,"a":2}}',
    b"[" * 100_000,
    b"\xff",
]


@pytest.mark.parametrize("body", _OTHERS)
def test_any_bytes_are_kept(body: bytes) -> None:
    """What is no call of a tool, or one that is written otherwise, is kept unread, and comes back."""
    decoded = TOOL.decode_request(URL, {}, body)
    assert decoded.slots["extra"] == {"body": body}
    assert TOOL.rebuild_request(decoded.slots, decoded.wire).body == body


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b'{"name":"lend","arguments":{"title":"Emma","days":14}}', "cd211f12796e3eef2b7c81a2b6a734f7cdaddc6456dd33b75158279c7f6c27bb"),
        (
            b'{"name":"Library.search","arguments":{"place":"a","more":{"place":"c","self":"d"}}}',
            "761ab98f7c5310ccda5eebdb0f6c00522bd62412976ce8f447531e72ded18bf7",
        ),
        (b'{"name":"lend","arguments":[["Emma"],{"years":1}]}', "3098035d27e534746db84392f589967d518171d30ebac4858f38fbc108075c8a"),
        (
            b'{"name":"find_book","server":"library","arguments":{"title":"Emma"}}',
            "1f3ae8b0e90e520bc01f67e89b1f1ae5d7def5abce306c7c9d732f99e5fb16da",
        ),
    ],
)
def test_the_ids_of_version_1(body: bytes, request_id: str) -> None:
    """What version 1 of the codec has promised: the request ids of calls of functions and methods, and of one to an MCP server."""
    assert TOOL.version == 1
    decoded = TOOL.decode_request(URL, {}, body)
    assert runstore.Run(**decoded.slots).request_id.hex() == request_id
    assert TOOL.rebuild_request(decoded.slots, decoded.wire).body == body


_LEAVES = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2), max_leaves=6
)


@given(st.text(max_size=8), _JSON)
def test_every_call_comes_back(name: str, arguments: Any) -> None:
    """The body is rebuilt byte for byte from its slots, and two calls have one request id only if they are the same."""
    body = json_bytes({"name": name, "arguments": arguments})
    decoded = TOOL.decode_request(URL, {}, body)
    assert TOOL.rebuild_request(decoded.slots, decoded.wire).body == body
    other = TOOL.decode_request(URL, {}, json_bytes({"name": name, "arguments": [arguments]}))
    assert runstore.Run(**decoded.slots).request_id != runstore.Run(**other.slots).request_id


@pytest.mark.parametrize("body", [b"[]", b"3", b"[" * 100_000])
def test_an_answer_that_is_no_map_is_refused(body: bytes) -> None:
    """What claims to be a tool's answer, in a file that is imported, is told from one."""
    with pytest.raises(InvalidInput):
        TOOL.decode_response(200, (), body)
