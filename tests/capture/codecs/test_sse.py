"""Streams: whole events are read, and what is cut off is known to be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.capture.codecs.framing import amazon_message
from runstore.capture.codecs.sse import Event, amazon, json_array, json_lines, server_sent
from tests.capture.codecs.strategies import VALUES

EVENTS = st.lists(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=9)), max_size=3), max_size=5)


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_server_sent_events_are_read_with_every_end_of_line(events: list[Any], end: str) -> None:
    """Names, data and the end marker, whatever ends a line; comments are no events."""
    told = "".join(f": ping{end}event: e{end}data: {json.dumps(each)}{end}{end}" for each in events) + f"data: [DONE]{end}{end}"
    found = server_sent(told.encode())
    assert found.items == [Event("e", each) for each in events]
    assert found.done
    assert found.whole


def test_data_on_several_lines_is_one_data() -> None:
    """Lines of data are joined by a line end, as the standard says."""
    assert server_sent(b'data: {"a":\ndata: 1}\n\n').items == [Event("", {"a": 1})]


@given(EVENTS, st.integers(0, 300))
def test_a_cut_stream_gives_the_events_before_the_cut(events: list[Any], at: int) -> None:
    """Of a stream that ends anywhere, what came whole is read and nothing else is made up."""
    told = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)
    found = server_sent(told[:at]).items
    assert [event.data for event in found] == events[: len(found)]


@given(EVENTS, st.integers(0, 600))
def test_an_amazon_stream_is_read_message_by_message(events: list[Any], at: int) -> None:
    """A cut or damaged message ends the reading; those before it stand."""
    told = b"".join(amazon_message("chunk", json.dumps(each).encode()) for each in events)
    assert amazon(told) == ([Event("chunk", each) for each in events], False, True)
    cut = amazon(told[:at])
    assert [event.data for event in cut.items] == events[: len(cut.items)]
    assert cut.whole == (
        at >= len(told) or len(b"".join(amazon_message("chunk", json.dumps(each).encode()) for each in events[: len(cut.items)])) == at
    )


def test_a_flipped_bit_ends_an_amazon_stream() -> None:
    """The checksum of a message guards its payload."""
    told = bytearray(amazon_message("chunk", b'{"a":1}') + amazon_message("chunk", b'{"a":2}'))
    told[-8] ^= 1
    assert [event.data for event in amazon(bytes(told)).items] == [{"a": 1}]


@given(st.lists(VALUES, max_size=4), st.integers(0, 400))
def test_a_json_array_may_be_cut_off(values: list[Any], at: int) -> None:
    """Gemini streams an array where it is not asked for events: elements before the cut are read."""
    told = json.dumps(values, indent=1)
    assert json_array(told.encode()) == ([Event("", each) for each in values], True, True)
    found = json_array(told.encode()[:at])
    assert len(found.items) <= len(values)


@pytest.mark.parametrize("read", [server_sent, json_lines, json_array, amazon])
@given(body=st.binary(max_size=200))
def test_no_bytes_raise(read: Any, body: bytes) -> None:
    """Whatever comes over the wire, reading it ends in events."""
    read(body)
    read(b"data: " + body)


def test_lines_of_json_are_read_until_one_is_none() -> None:
    """The last line may be cut off."""
    assert json_lines(b'{"a":1}\n\n{"a":2}\n{"a":') == ([Event("", {"a": 1}), Event("", {"a": 2})], False, False)
