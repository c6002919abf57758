"""Recording in this process: what was sent and received stands in the store, and the program is not disturbed."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.counts import NotRecorded
from runstore.capture.fake.server import Provider
from runstore.capture.instrumenting import begin
from runstore.capture.recorder import Options
from runstore.capture.wanted import wanted
from runstore.errors import InvalidInput, Refused, Unavailable
from tests.capture.codecs.support import URLS
from tests.capture.recordings import executions

httpx = pytest.importorskip("httpx", reason="httpx is not installed: pip install 'runstore[capture]'")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A fake provider."""
    with Provider() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that this process records into."""
    place = tmp_path / "store"
    runstore.instrument(place, ref="app", background=False)
    yield place
    runstore.uninstrument()


def body(text: str = "Is it open?", *, model: str = "small-1", stream: bool = False) -> dict[str, Any]:
    """A chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}]} | ({"stream": True} if stream else {})


def ask(provider: Provider, **options: Any) -> Any:
    """Ask for a chat completion."""
    return httpx.post(provider.url + "/v1/chat/completions", json=body(**options), headers={"authorization": "Bearer sk-planted-secret"})


def test_request_and_answer_are_recorded_byte_for_byte(provider: Provider, store: Path) -> None:
    """The request rebuilt from the store is what the provider received; the answer is what it said."""
    answer = ask(provider).json()
    (found,) = executions(store, "app")
    assert found.sent == provider.served[-1].received
    assert found.status == "ok"
    assert found.output == [{"role": "assistant", "content": answer["choices"][0]["message"]["content"]}]
    assert found.response["id"] == answer["id"]


def test_no_credential_reaches_the_journal(provider: Provider, store: Path) -> None:
    """Before it is drained, the journal holds no header that no list names, and no key of a URL."""
    httpx.post(provider.url + "/v1/chat/completions?key=planted-key", json=body(), headers={"authorization": "Bearer sk-planted-secret"})
    data = b"".join(path.read_bytes() for path in (store / "journal").iterdir())
    assert b"small-1" in data
    assert b"planted" not in data


def test_a_stream_is_recorded_as_it_was_read(provider: Provider, store: Path) -> None:
    """A stream that was read gives the output that the answer in one piece gives."""
    ask(provider)
    with httpx.stream("POST", provider.url + "/v1/chat/completions", json=body(stream=True)) as response:
        assert b"[DONE]" in b"".join(response.iter_raw())
    one, other = executions(store)
    assert (other.status, other.output) == ("ok", one.output)


def test_a_program_that_stops_at_the_end_mark_is_recorded(provider: Provider, store: Path) -> None:
    """Reading until `[DONE]` and closing is a whole answer."""
    with httpx.stream("POST", provider.url + "/v1/chat/completions", json=body(stream=True)) as response:
        for line in response.iter_lines():
            if line == "data: [DONE]":
                break
    assert [found.status for found in executions(store)] == ["ok"]


def test_a_program_that_stops_half_way_is_recorded_as_partial(provider: Provider, store: Path) -> None:
    """What was read is the output of a partial execution."""
    with httpx.stream("POST", provider.url + "/v1/chat/completions", json=body("a long question " * 9, stream=True)) as response:
        next(response.iter_lines())
    (found,) = executions(store)
    assert found.status == "partial"


def test_a_generator_that_is_abandoned_is_recorded(provider: Provider, store: Path) -> None:
    """A response that nobody closes is recorded when it is collected."""
    client = httpx.Client()
    request = client.build_request("POST", provider.url + "/v1/chat/completions", json=body("a long question " * 9, stream=True))
    lines: Any = client.send(request, stream=True).iter_lines()
    next(lines)
    del lines
    gc.collect()
    client.close()
    (found,) = executions(store)
    assert found.status == "partial"


def test_an_answer_that_breaks_off_is_partial(provider: Provider, store: Path) -> None:
    """The error that the program saw stands in the notes."""
    with pytest.raises(httpx.RemoteProtocolError):
        ask(provider, model="cut-1", stream=True)
    (found,) = executions(store)
    assert found.status == "partial"
    assert found.notes["error"].startswith("RemoteProtocolError")


def test_a_service_that_is_not_there_is_an_error(store: Path) -> None:
    """A call without an answer is an execution with status `error`."""
    with pytest.raises(httpx.ConnectError):
        httpx.post("http://127.0.0.1:9/v1/chat/completions", json=body())
    (found,) = executions(store)
    assert (found.status, found.response) == ("error", None)
    assert found.notes["error"].startswith("ConnectError")


def test_a_refusal_of_the_service_is_an_error(provider: Provider, store: Path) -> None:
    """A status from 400 is an execution with status `error`, and the body is kept."""
    assert ask(provider, model="error-429").status_code == 429
    (found,) = executions(store)
    assert (found.status, found.response["status"]) == ("error", 429)


def test_compression_is_removed_for_the_record_alone(provider: Provider, store: Path) -> None:
    """The program gets what was sent compressed; the record has the text."""
    response = ask(provider, model="gzip-1")
    assert response.headers["content-encoding"] == "gzip"
    (found,) = executions(store)
    assert found.output[0]["content"] == response.json()["choices"][0]["message"]["content"]


def test_clients_that_await_are_recorded(provider: Provider, store: Path) -> None:
    """Twenty tasks at once, each with its own session."""

    async def one(number: int, client: Any) -> None:
        async with runstore.record(session=f"s{number}"):
            await client.post(provider.url + "/v1/chat/completions", json=body(f"question {number}"))

    async def all_of_them() -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(one(number, client) for number in range(20)))

    asyncio.run(all_of_them())
    found = executions(store)
    assert {(one.notes["session"], json.loads(one.sent)["messages"][0]["content"]) for one in found} == {
        (f"s{number}", f"question {number}") for number in range(20)
    }


def test_a_task_that_is_cancelled_is_interrupted(provider: Provider, store: Path) -> None:
    """Cancelling ends the call as interrupted."""

    async def asked() -> None:
        async with httpx.AsyncClient() as client:
            await client.post(provider.url + "/v1/chat/completions", json=body("word " * 40, model="slow", stream=True))

    async def cancelled() -> None:
        await asyncio.wait_for(asked(), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    (found,) = executions(store)
    assert found.status == "interrupted"


def test_sixteen_threads_lose_nothing(provider: Provider, store: Path) -> None:
    """Each call of each thread is there once."""
    with ThreadPoolExecutor(16) as pool, httpx.Client() as client:
        url = provider.url + "/v1/chat/completions"
        list(pool.map(lambda number: client.post(url, json=body(f"question {number}")), range(64)))
    asked = [json.loads(found.sent)["messages"][0]["content"] for found in executions(store)]
    assert sorted(asked) == sorted(f"question {number}" for number in range(64))


def test_a_thread_has_its_own_scope(provider: Provider, store: Path) -> None:
    """A scope holds in the thread that entered it."""
    with runstore.record("named", session="s"):
        thread = threading.Thread(target=ask, args=(provider,))
        thread.start()
        thread.join()
    assert "session" not in executions(store, "app")[0].notes


def test_a_forked_child_is_recorded(provider: Provider, store: Path) -> None:
    """Parent and child both record, into one store."""
    ask(provider, text="parent")
    pid = os.fork()
    if not pid:
        ask(provider, text="child")
        os._exit(0)
    os.waitpid(pid, 0)
    ask(provider, text="parent again")
    asked = [json.loads(found.sent)["messages"][0]["content"] for found in executions(store)]
    assert sorted(asked) == ["child", "parent", "parent again"]


def test_scopes_lie_in_one_another(provider: Provider, store: Path) -> None:
    """The inner scope has the outer one's ref, session and notes, and continues its path."""
    with runstore.record("support/reply", scope="agent", notes={"ticket": 7}) as outer:
        with runstore.record(scope="search", notes={"tool": True}):
            ask(provider)
        outer.documents("Open at nine.", {"text": "Is it open?", "title": "question"})
        ask(provider)
    inner, after = executions(store, "support/reply")
    assert inner.notes["scope"] == "agent/search"
    assert (inner.notes["ticket"], inner.notes["tool"]) == (7, True)
    assert inner.notes["session"] == after.notes["session"] == outer.own_session
    assert after.notes["documents"] == [{"name": "Open at nine.", "found": False}, {"name": "question", "found": True}]


def test_functions_can_be_scopes(provider: Provider, store: Path) -> None:
    """A decorated function, coroutine or generator names the scope of its calls."""

    @runstore.recorded
    def plain() -> None:
        ask(provider)

    @runstore.recorded("refs/two", scope="named")
    async def awaited() -> None:
        plain()

    @runstore.recorded
    def yielding() -> Iterator[int]:
        ask(provider)
        yield 1

    plain()
    asyncio.run(awaited())
    for _ in yielding():
        ask(provider)
    assert [found.notes.get("scope") for found in executions(store, "app")] == ["plain", "yielding", None]
    assert [found.notes.get("scope") for found in executions(store, "refs/two")] == ["named/plain"]


def test_notes_that_are_no_json_are_a_mistake() -> None:
    """What no journal can hold is refused where it is said."""
    with pytest.raises(InvalidInput, match="notes"):
        runstore.record(notes={"x": object()})


def test_a_name_that_is_no_ref_does_not_lose_the_call(provider: Provider, store: Path) -> None:
    """The call is recorded on the default ref, and the notes have the name."""
    with runstore.record("no ref at all!"):
        ask(provider)
    ask(provider)
    assert [found.notes.get("ref") for found in executions(store, "main")] == ["no ref at all!"]
    assert len(executions(store, "app")) == 1


def test_turns_of_a_conversation_that_the_provider_keeps_are_linked(provider: Provider, store: Path) -> None:
    """`previous_response_id` is resolved from the store, also within one drain."""
    url = provider.url + "/v1/responses"
    first = httpx.post(url, json={"model": "m", "input": "one"}).json()
    httpx.post(url, json={"model": "m", "input": "two", "previous_response_id": first["id"]})
    one, two = executions(store)
    assert two.notes["resolved"] == {"/previous_response_id": one.id}


def test_other_calls_pass(provider: Provider, store: Path) -> None:
    """What is no call of a model is not looked at."""
    before = runstore.stats()["others"]
    httpx.post(provider.url + "/orders", json={})
    assert runstore.stats()["others"] == int(before or 0) + 1
    assert executions(store) == []


@pytest.mark.parametrize("url", URLS.values())
def test_every_codec_has_its_calls_seen(url: str) -> None:
    """No path of a codec is passed by."""
    assert wanted("POST", url)


def test_in_mode_commit_a_call_is_in_the_store_at_once(provider: Provider, tmp_path: Path) -> None:
    """When the answer was read, the execution stands, and the scope has its ids."""
    place = tmp_path / "store"
    runstore.instrument(place, mode="commit")
    try:
        with runstore.record("now") as scope:
            ask(provider)
        assert not (place / "journal").exists()
        with runstore.open(place) as repo:
            assert repo.resolve("now").link == scope.recorded[0].execution
    finally:
        runstore.uninstrument()


def test_the_background_thread_drains(provider: Provider, tmp_path: Path) -> None:
    """Within seconds a call is in the store, and nobody asked."""
    place = tmp_path / "store"
    runstore.instrument(place, ref="app")
    try:
        ask(provider)
        with runstore.open(place) as repo:
            for _ in range(100):
                if repo.refs("heads/app"):
                    break
                threading.Event().wait(0.1)
            assert repo.refs("heads/app")
    finally:
        runstore.uninstrument()


def test_what_cannot_be_recorded_is_counted_and_said_once(provider: Provider, tmp_path: Path) -> None:
    """A journal that is full does not disturb the program: one warning, and counts."""
    place = tmp_path / "store"
    runstore.open(place, create=True).close()
    before = runstore.stats()
    begin(Options(str(place), most_journal=100), background=False)
    try:
        with pytest.warns(NotRecorded, match="may hold 100") if not before["dropped"] else _nothing():
            assert ask(provider).status_code == 200
        assert ask(provider).status_code == 200
    finally:
        runstore.uninstrument()
    assert int(runstore.stats()["dropped"] or 0) == int(before["dropped"] or 0) + 2


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_asked_to_raise_it_raises_before_anything_is_sent(provider: Provider, tmp_path: Path) -> None:
    """With `on_error="raise"` a request that cannot be journalled is not sent."""
    place = tmp_path / "store"
    runstore.open(place, create=True).close()
    begin(Options(str(place), on_error="raise", most_journal=100), background=False)
    served = len(provider.served)
    try:
        with pytest.raises(Unavailable, match="may hold 100"):
            ask(provider)
    finally:
        runstore.uninstrument()
    assert len(provider.served) == served


def test_redaction_comes_before_anything_is_written(provider: Provider, tmp_path: Path) -> None:
    """What a redactor masks reaches neither journal nor store, and the notes say where it stood."""
    place = tmp_path / "store"

    def mask(exchange: Any) -> tuple[Any, list[Any]]:
        bodies = {name: getattr(exchange, name).replace(b"planted", b"[removed]") for name in ("request_body", "response_body")}
        return exchange._replace(**bodies), ["/messages/0/content"]

    runstore.instrument(place, redact=mask, background=False)
    try:
        ask(provider, text="a planted secret")
        assert not any(b"planted" in path.read_bytes() for path in (place / "journal").iterdir())
        (found,) = executions(place)
    finally:
        runstore.uninstrument()
    assert found.notes["redacted"] == ["/messages/0/content"]


def test_a_call_that_redaction_refuses_is_not_recorded(provider: Provider, tmp_path: Path) -> None:
    """It is counted as refused, and the program goes on."""

    def refuse(exchange: Any) -> tuple[Any, list[Any]]:
        raise Refused("a secret")

    before = int(runstore.stats()["refused"] or 0)
    runstore.instrument(tmp_path / "store", redact=refuse, background=False)
    try:
        import warnings

        with warnings.catch_warnings(record=True):
            assert ask(provider).status_code == 200
        assert executions(tmp_path / "store") == []
    finally:
        runstore.uninstrument()
    assert runstore.stats()["refused"] == before + 1


def test_a_client_of_ones_own_is_recorded_without_a_tap(provider: Provider, tmp_path: Path) -> None:
    """`runstore.client()` records what goes through it; closing it drains."""
    place = tmp_path / "store"
    with runstore.client(place, ref="mine") as client:
        client.post(provider.url + "/v1/chat/completions", json=body())
    with runstore.open(place) as repo:
        assert [ref.name for ref in repo.refs()] == ["heads/mine"]


def test_a_client_of_ones_own_and_the_tap_record_once(provider: Provider, store: Path) -> None:
    """A call that both see is one execution."""
    with runstore.client(store) as client:
        client.post(provider.url + "/v1/chat/completions", json=body())

    async def awaited() -> None:
        async with runstore.async_client(store) as other:
            await other.post(provider.url + "/v1/chat/completions", json=body())

    asyncio.run(awaited())
    assert len(executions(store)) == 2
