"""Recording never disturbs its host: a full disk, bytes of any kind, streams left lying, transports of one's own, spans."""

from __future__ import annotations

import asyncio
import gc
import re
import shutil
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runstore
from runstore.capture.fake.server import Provider
from runstore.capture.instrumenting import begin
from runstore.capture.recorder import Options
from runstore.runs.view import RunView
from tests.capture.codecs.support import URLS
from tests.capture.recordings import executions, journalled, program

httpx = pytest.importorskip("httpx", reason="httpx is not installed: pip install 'runstore[capture]'")

BODY = {"model": "small-1", "messages": [{"role": "user", "content": "Is it open? " * 9}]}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A fake provider."""
    with Provider() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that this process records into."""
    place = tmp_path / "store"
    runstore.instrument(place, background=False)
    yield place
    runstore.uninstrument()


_FILLS = """
import os, resource, httpx
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
for number in range(8):
    body = {"model": "small-1", "messages": [{"role": "user", "content": f"{number} " + "x" * 900}]}
    print(httpx.post(os.environ["FAKE"] + "/v1/chat/completions", json=body).status_code)
"""


def test_a_full_disk_does_not_disturb_the_host(provider: Provider, tmp_path: Path) -> None:
    """Every call is answered, the program ends as it would, what was lost is said, and what was kept is whole."""
    done = program(tmp_path, _FILLS, env={"FAKE": provider.url})
    assert (done.returncode, done.stdout) == (0, "200\n" * 8)
    assert "NotRecorded: runstore: a call was not recorded, and the program goes on" in done.stderr
    kept = executions(tmp_path / "store")
    assert 0 < len(kept) < 8
    assert re.search(rf"^recorded {len(kept)} executions? \({len(kept)} ok\)", done.stderr, re.MULTILINE)


class Body(httpx.SyncByteStream):  # type: ignore[misc, name-defined]
    """A body that comes in pieces."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


def answered(headers: dict[str, str], chunks: list[bytes], request: Any, status: int = 200) -> Any:
    """Answer any request with these bytes."""
    return httpx.Response(status, headers=headers, stream=Body(chunks))


ENCODINGS = ("", "gzip", "deflate", "br", "gzip, gzip", "identity", "nonsense")
CHUNKS = st.lists(st.binary(min_size=1, max_size=60), max_size=5)


def test_a_store_that_is_removed_meanwhile_is_made_again(provider: Provider, store: Path) -> None:
    """What is called after that is recorded: the counts say so, and it is true."""
    before = runstore.stats()["recorded"]
    for _ in range(2):
        httpx.post(f"{provider.url}/v1/chat/completions", json=BODY)
        shutil.rmtree(store)
    httpx.post(f"{provider.url}/v1/chat/completions", json=BODY)
    assert int(runstore.stats()["recorded"] or 0) - int(before or 0) == 3
    runstore.uninstrument()
    assert len(executions(store)) == 1


@given(
    url=st.sampled_from(sorted(URLS.values())), sent=st.binary(max_size=200), told=CHUNKS, encoding=st.sampled_from(ENCODINGS),
    status=st.sampled_from([200, 204, 301, 400, 500]), stop=st.integers(0, 6), packed=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_of_any_kind_never_raise_into_the_host(
    store: Path, url: str, sent: bytes, told: list[bytes], encoding: str, status: int, stop: int, packed: bool
) -> None:
    """Whatever is sent and answered, in whatever pieces, read how far: the program sees its own bytes, and each call is recorded."""
    if packed and encoding == "deflate":
        told = [zlib.compress(b"".join(told))]
    before = runstore.stats()
    headers = {"content-type": "text/event-stream" if stop % 2 else "application/json", "content-encoding": encoding}
    transport = httpx.MockTransport(partial(answered, headers, told, status=status))
    seen = []
    with httpx.Client(transport=transport) as client, client.stream("POST", url, content=sent) as response:
        for chunk, _ in zip(response.iter_raw(), range(stop), strict=False):
            seen.append(chunk)
    assert seen == told[:stop]
    after = runstore.stats()
    assert after["dropped"] == before["dropped"]
    assert int(after["recorded"] or 0) == int(before["recorded"] or 0) + 1
    assert journalled(store)[-1][0] == sent


def test_what_was_recorded_of_any_bytes_is_drained(tmp_path: Path) -> None:
    """Bytes that mean nothing to any codec become executions all the same, and nothing is put aside."""
    place = tmp_path / "store"
    runstore.instrument(place, background=False)
    try:
        answers = [b"\xff\x00", b"{", b"[DONE]", b"data: {\n\n", b"null", b"\x1f\x8b garbage"]
        for number, url in enumerate(sorted(URLS.values())):
            told = answers[number % len(answers)]
            headers = {"content-encoding": "gzip"} if number % 2 else {}
            transport = httpx.MockTransport(partial(answered, headers, [told]))
            with httpx.Client(transport=transport) as client, client.stream("POST", url, content=told) as response:
                list(response.iter_raw())
    finally:
        runstore.uninstrument()
    assert len(executions(place)) == len(URLS)
    assert not (place / "journal" / "failed").exists()


def test_an_async_stream_that_is_left_lying_is_recorded(provider: Provider, store: Path) -> None:
    """Who breaks out of a stream and closes nothing is recorded as far as he read."""

    async def left() -> None:
        async with httpx.AsyncClient() as client:
            request = client.build_request("POST", provider.url + "/v1/chat/completions", json={**BODY, "stream": True})
            response = await client.send(request, stream=True)
            async for _ in response.aiter_lines():
                break

    asyncio.run(left())
    gc.collect()
    (found,) = executions(store)
    assert found.status == "partial"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_transport_of_ones_own_is_recorded(library: str, provider: Provider, tmp_path: Path) -> None:
    """`recording_transport` records what passes through it, blocking and awaiting, above a transport that is given."""
    module: Any = pytest.importorskip(library)
    place = tmp_path / "store"
    inner = module.HTTPTransport(retries=1)
    with module.Client(transport=runstore.recording_transport(place, library=library, transport=inner, ref="mine")) as client:
        client.post(provider.url + "/v1/chat/completions", json=BODY)

    async def awaited() -> None:
        made = runstore.recording_transport(place, library=library, asynchronous=True, ref="mine")
        async with module.AsyncClient(transport=made) as other:
            await other.post(provider.url + "/v1/chat/completions", json=BODY)

    asyncio.run(awaited())
    assert [found.status for found in executions(place, "mine")] == ["ok", "ok"]


def test_the_current_span_has_the_ids(provider: Provider, tmp_path: Path) -> None:
    """With `spans`, the span that was current has run id and request id as attributes; without one nothing is asked of OpenTelemetry."""
    trace: Any = pytest.importorskip("opentelemetry.trace")
    told: dict[str, str] = {}

    class Recording(trace.NonRecordingSpan):  # type: ignore[misc]
        def is_recording(self) -> bool:
            return True

        def set_attribute(self, key: str, value: Any) -> None:
            told[key] = value

    place = tmp_path / "store"
    runstore.instrument(place, background=False, spans=True)
    try:
        httpx.post(provider.url + "/v1/chat/completions", json={**BODY, "model": "other"})
        assert told == {}
        with trace.use_span(Recording(trace.INVALID_SPAN_CONTEXT)):
            httpx.post(provider.url + "/v1/chat/completions", json=BODY)
    finally:
        runstore.uninstrument()
    with runstore.open(place) as repo:
        shown = repo.show(repo.resolve("@^{run}").link.hex)
        assert isinstance(shown, RunView)
        assert told == {"runstore.run.id": shown.id.hex(), "runstore.request.id": shown.request_id.hex()}


def test_an_answer_that_is_too_large_is_recorded_so_far(provider: Provider, tmp_path: Path) -> None:
    """What is beyond the bound is counted and said, not dropped in silence, and the program reads all of it."""
    place = tmp_path / "store"
    runstore.open(place, create=True).close()
    before = int(runstore.stats()["shortened"] or 0)
    begin(Options(str(place), most_body=100), background=False)
    try:
        text = httpx.post(provider.url + "/v1/chat/completions", json=BODY).json()["choices"][0]["message"]["content"]
    finally:
        runstore.uninstrument()
    assert text.startswith("You said: ")
    (found,) = executions(place)
    assert (found.status, int(runstore.stats()["shortened"] or 0)) == ("partial", before + 1)
    assert "100 are kept" in found.notes["error"]
