"""Replay: recorded calls are answered from the store, nothing is sent, and a miss says what differs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.codecs import known
from runstore.capture.codecs.openai_chat import OpenAIChat
from runstore.capture.codecs.places import Place
from runstore.errors import InvalidInput, NotRecorded
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.replay.choosing import Choice, Chooser, parse_choice
from tests.reproduce.calls import HEADERS, URL, body_of, chat, completion, record
from tests.reproduce.provider import provider

httpx = pytest.importorskip("httpx", reason="httpx is not installed")


@contextmanager
def no_network() -> Iterator[None]:
    """Let no socket be connected."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "create_connection", refuse)
        yield


def post(body: dict[str, Any], url: str = URL, **headers: str) -> Any:
    """Send a request as a program does."""
    with httpx.Client() as client:
        return client.post(url, content=body_of(body), headers={"content-type": "application/json", **headers})


def text_of(response: Any) -> str:
    """Return the text of an answer in one piece."""
    found: str = response.json()["choices"][0]["message"]["content"]
    return found


def test_a_recorded_call_is_answered_without_a_network(repo: Repo) -> None:
    """The answer is the recorded body, and no connection is tried."""
    made = record(repo, chat(), completion("Four."))
    with no_network(), runstore.replay(store=repo) as replaying:
        response = post(chat(), authorization="Bearer of-somebody-else")
    assert response.json() == completion("Four.")
    assert response.headers["x-runstore-execution"] == made.execution.hex
    assert (replaying.hits, replaying.missed) == (1, 0)


def test_the_headers_that_were_recorded_come_back(tmp_path: Path) -> None:
    """Ids and rate limits are those of the recording; the type is that of the form asked for."""
    from runstore.capture.assemble import assemble
    from runstore.capture.exchange import Exchange

    came = (("content-type", "application/json"), ("x-request-id", "req_1"), ("set-cookie", "secret"))
    sent = Exchange("POST", URL, (), body_of(chat()), 200, came, body_of(completion("Four.")), 1, 2)
    made = assemble(sent)
    assert made is not None
    with runstore.open(tmp_path / "store", create=True) as repo:
        repo.add(made.run, **made.fields)
        with no_network(), runstore.replay(store=repo):
            response = post(chat(stream=True))
    assert (response.headers["x-request-id"], response.headers["content-type"]) == ("req_1", "text/event-stream")
    assert "set-cookie" not in response.headers


def test_delivery_fields_do_not_matter(repo: Repo) -> None:
    """Who asks, and where labels are filed, changes nothing about the answer."""
    record(repo, chat(user="ann", metadata={"a": "b"}))
    with no_network(), runstore.replay(store=repo):
        assert text_of(post(chat(user="bob"))) == "Four."


class Before(OpenAIChat):
    """The codec as it might have been: a version that did not know the seed for a parameter."""

    version = 0
    layout = OpenAIChat.layout._replace(fields={**OpenAIChat.layout.fields, "seed": Place.EXTRA})


def test_what_an_older_version_of_a_codec_recorded_is_found(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is looked up under the request id of each version of its codec, and what an older one recorded can be written again."""
    old = Before()
    body = body_of(chat(seed=7))
    decoded = old.decode_request(URL, {"content-type": "application/json"}, body)
    answer = old.decode_response(200, {"content-type": "application/json"}, body_of(completion("Four.")), decoded.slots)
    run = Run(**decoded.slots, runtime=answer.runtime)
    repo.add(run, output=answer.output, usage=answer.usage, response=answer.response, wire=decoded.wire)
    with no_network(), pytest.raises(NotRecorded), runstore.replay(store=repo):
        post(chat(seed=7))
    monkeypatch.setattr(known, "OLDER", (old,))
    with no_network(), runstore.replay(store=repo):
        assert text_of(post(chat(seed=7))) == "Four."
    assert known.codec_named(decoded.wire).rebuild_request(decoded.slots, decoded.wire).body == body


def test_a_json_answer_asked_for_as_a_stream_is_a_stream(repo: Repo) -> None:
    """What was recorded in one piece is streamed to who asks for that, up to the end mark; counts come only where asked for."""
    record(repo, chat(), completion("Four."))
    with no_network(), runstore.replay(store=repo):
        plain = post(chat(stream=True))
        counted = post(chat(stream=True, stream_options={"include_usage": True}))
    assert plain.headers["content-type"] == "text/event-stream"
    lines = [line for line in plain.text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]) == "Four."
    assert all(chunk["choices"] for chunk in chunks)
    assert '"total_tokens":15' in counted.text


def test_who_stops_at_the_end_mark_reads_all(repo: Repo) -> None:
    """A client that reads up to [DONE] and closes, or closes early, disturbs no later call."""
    record(repo, chat(), completion("Four."))
    with no_network(), runstore.replay(store=repo) as replaying, httpx.Client() as client:
        for _ in range(2):
            with client.stream("POST", URL, content=body_of(chat(stream=True))) as response:
                next(response.iter_lines())
        assert text_of(client.post(URL, content=body_of(chat()))) == "Four."
    assert replaying.hits == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (chat(top_p=0.5), "parameters.top_p: added, 0.5"),
        (chat(prompt="You are kind."), "prompt: "),
        (chat("What is three and three?"), "history/0: "),
        (chat(tools=[{"type": "function", "function": {"name": "add"}}]), "tools: absent → present"),
    ],
)
def test_a_changed_component_is_a_miss_that_names_it(repo: Repo, body: dict[str, Any], told: str) -> None:
    """A changed parameter, prompt, message or tool is not answered, and the error says what differs from what."""
    made = record(repo, chat())
    with no_network(), pytest.raises(NotRecorded, match="no recorded execution answers") as caught, runstore.replay(store=repo):
        post(body)
    assert f"the nearest is {made.execution.hex[:12]}" in str(caught.value)
    assert told in str(caught.value)


def test_a_miss_that_the_program_passes_over_is_raised_in_the_end(repo: Repo) -> None:
    """Leaving the block after a miss raises it, whatever the program made of the error."""
    replaying = runstore.replay(store=repo)
    replaying.__enter__()
    with pytest.raises(NotRecorded) as caught, no_network():
        post(chat())
    assert caught.value.hint == "nothing like it is recorded in this store"
    with pytest.raises(NotRecorded):
        replaying.__exit__(None, None, None)


@pytest.mark.parametrize("status", ["partial", "error", "interrupted"])
def test_only_complete_answers_are_served(repo: Repo, status: str) -> None:
    """A call whose answer was cut or failed is not answered."""
    made = record(repo, chat())
    view = repo.show(str(made.execution))
    repo.add(runstore.Run.from_links(view.run.slots), status=status, output=view.fields.output, response=view.fields.response)  # type: ignore[union-attr]
    record(repo, chat("other"))
    with no_network(), runstore.replay(store=repo, choice="latest"):
        assert post(chat()).headers["x-runstore-execution"] == made.execution.hex


def test_first_latest_and_sequence(repo: Repo) -> None:
    """Among several answers the first, the last or the nth is given; a sequence that ended is a miss."""
    for text in ("one", "two"):
        record(repo, chat(), completion(text))
    for choice, texts in (("first", ["one", "one"]), ("latest", ["two", "two"]), ("sequence", ["one", "two"])):
        with no_network(), runstore.replay(store=repo, choice=choice):
            assert [text_of(post(chat())) for _ in range(2)] == texts
    with runstore.replay(store=repo, choice="sequence", strict=False):
        for _ in range(2):
            post(chat())
        with pytest.raises(NotRecorded, match="this is call 3"):
            post(chat())


def test_a_sample_is_the_same_for_the_same_seed(repo: Repo) -> None:
    """Drawing with one seed gives the same answers in every process; with others, other ones."""
    for number in range(5):
        record(repo, chat(), completion(str(number)))

    def drawn(seed: int) -> list[str]:
        with runstore.replay(store=repo, choice=f"sample:{seed}"):
            return [text_of(post(chat())) for _ in range(12)]

    assert drawn(7) == drawn(7)
    assert len({tuple(drawn(seed)) for seed in range(4)}) > 1


def test_sequences_keep_their_order_per_caller_under_threads_and_tasks(repo: Repo) -> None:
    """Each scope has a count of its own: its calls get the answers in the order of recording, however the others run."""
    for number in range(6):
        record(repo, chat(), completion(str(number)))

    def caller(name: str) -> list[str]:
        with runstore.record(scope=name):
            return [text_of(post(chat())) for _ in range(6)]

    async def task(name: str) -> list[str]:
        async with runstore.record(scope=name), httpx.AsyncClient() as client:
            return [text_of(await client.post(URL, content=body_of(chat()))) for _ in range(6)]

    async def tasks() -> list[list[str]]:
        return await asyncio.gather(*(task(f"task {number}") for number in range(4)))

    with no_network(), runstore.replay(store=repo, choice="sequence"), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(caller, [f"thread {number}" for number in range(4)]))
    with runstore.replay(store=repo, choice="sequence"):
        found += asyncio.run(tasks())
    assert found == [[str(number) for number in range(6)]] * 8


def test_auto_records_what_it_does_not_find(repo: Repo, tmp_path: Path) -> None:
    """A miss is sent and recorded; the next time it is a hit, in replay too."""
    with provider() as server:
        for _ in range(2):
            with runstore.replay("auto", store=tmp_path / ".runstore") as replaying:
                assert text_of(post(chat(), server.chat)) == "Four."
        assert len(server.bodies) == 1
        assert (replaying.hits, replaying.missed) == (1, 0)
    with no_network(), runstore.replay(store=tmp_path / ".runstore"):
        assert text_of(post(chat(), server.chat)) == "Four."


def test_compare_asks_again_and_says_whether_the_answers_agree(repo: Repo, tmp_path: Path) -> None:
    """Each request counts as the same, different, or never recorded before."""
    with provider() as server:
        record(repo, chat(), completion("Four."), url=server.chat)
        record(repo, chat(prompt="shout"), completion("Four."), url=server.chat)
        with runstore.replay("compare", store=tmp_path / ".runstore") as replaying:
            post(chat(), server.chat)
            post(chat(prompt="shout"), server.chat)
            post(chat("new"), server.chat)
    assert replaying.compared == (1, 1, 1)


PROGRAM = """
import httpx, sys
response = httpx.post(sys.argv[1], content=sys.argv[2])
print(response.json()["choices"][0]["message"]["content"])
"""


def command(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `runstore replay` on a store."""
    given = {**os.environ, "PYTHONPATH": str(Path(runstore.__file__).parents[1])}
    line = [sys.executable, "-m", "runstore", "--store", str(store), "replay", *words]
    return subprocess.run(line, env=given, capture_output=True, text=True, check=False)


def test_a_second_process_needs_no_server(repo: Repo, tmp_path: Path) -> None:
    """Recorded in one process, the server stopped, answered in another; a bundle serves as well as the store."""
    place = tmp_path / ".runstore"
    program = ["--", sys.executable, "-c", PROGRAM]
    with provider() as server:
        done = command(place, "--mode", "record", *program, server.chat, body_of(chat()).decode())
        assert done.stdout == "Four.\n", done
    again = command(place, *program, server.chat, body_of(chat()).decode())
    assert (again.returncode, again.stdout) == (0, "Four.\n"), again
    assert "answered 1 call from the store, 0 not recorded" in again.stderr
    with open(tmp_path / "calls.runs", "wb") as file, repo.read() as reader:
        from runstore.sync.bundle import write_bundle

        write_bundle(reader, file, {ref.name: ref.target for ref in repo.refs()})
    bundled = command(tmp_path / "calls.runs", *program, server.chat, body_of(chat()).decode())
    assert (bundled.returncode, bundled.stdout) == (0, "Four.\n"), bundled


def test_a_program_that_passes_over_a_miss_ends_with_15(repo: Repo, tmp_path: Path) -> None:
    """The exit code is 15 where the program's own is 0 and a call was not recorded; else it is the program's."""
    record(repo, chat())
    program = "import httpx, sys\ntry:\n    httpx.post(sys.argv[1], content=sys.argv[2])\nexcept Exception:\n    sys.exit(int(sys.argv[3]))"
    words = ["--", sys.executable, "-c", program, URL, body_of(chat(top_p=0.5)).decode()]
    passed = command(tmp_path / ".runstore", *words, "0")
    assert passed.returncode == 15
    assert "parameters.top_p: added, 0.5" in passed.stderr
    assert command(tmp_path / ".runstore", *words, "3").returncode == 3


# --- the parts ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "last", "latest:1", "sample:x"])
def test_what_is_no_choice(text: str) -> None:
    """Other words are refused."""
    with pytest.raises(InvalidInput):
        parse_choice(text)


def test_what_is_no_mode() -> None:
    """Another mode is refused before anything happens."""
    with pytest.raises(InvalidInput):
        runstore.replay("often")


def test_off_does_nothing(tmp_path: Path) -> None:
    """In mode off no store is opened."""
    with runstore.replay("off", store=tmp_path / "nowhere") as replaying:
        assert (replaying.hits, (tmp_path / "nowhere").exists()) == (0, False)


def test_callers_count_for_themselves() -> None:
    """Calls are counted by caller and request."""
    chooser = Chooser(Choice("sequence"))
    found = [chooser.choose("ab", b"r", caller) for caller in ("x", "y", "x", "x")]
    assert found == [("a", 1), ("a", 1), ("b", 2), (None, 3)]


def test_hits_do_not_grow_memory(repo: Repo) -> None:
    """Thousands of hits of a request keep no more than a few did."""
    import tracemalloc

    from runstore.capture.tap.handler import Call
    from runstore.reproduce.replay.library import Library

    record(repo, chat("x" * 20_000))
    library = Library(repo)
    call = Call("POST", URL, (), body_of(chat("x" * 20_000)))

    def ask(times: int) -> None:
        for _ in range(times):
            asked = library.read(call)
            assert asked is not None
            library.find(asked)

    ask(50)
    tracemalloc.start()
    ask(20)
    before = tracemalloc.get_traced_memory()[0]
    ask(500)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000


def test_what_waits_in_the_journal_is_recorded(tmp_path: Path) -> None:
    """A call that was recorded and not drained yet is answered."""
    place = tmp_path / "store"
    with provider() as server:
        runstore.instrument(place, background=False)
        post(chat(), server.chat)
        runstore.uninstrument(drain=False)
    with no_network(), runstore.replay(store=place):
        assert text_of(post(chat(), server.chat)) == "Four."


def test_what_replay_records_is_redacted_as_the_settings_say(tmp_path: Path) -> None:
    """The modes that record keep to the table `[capture]` of the store."""
    from tests.capture.redaction.secrets import TOKENS

    place, secret = tmp_path / "store", TOKENS["github-token"]
    runstore.open(place, create=True).close()
    (place / "runstore.toml").write_text('format = 1\n[capture]\nredact = "mask"\n')
    with provider() as server, runstore.replay("record", store=place):
        post(chat(f"use {secret}"), server.chat)
        assert secret.encode() in server.bodies[0]
    assert not any(secret.encode() in path.read_bytes() for path in place.rglob("*") if path.is_file())


def test_the_misses_of_processes_that_a_program_forks_are_told(repo: Repo, tmp_path: Path) -> None:
    """A child that ends without a word has told its misses and hits by then."""
    record(repo, chat(), completion("Four."))
    program = """
import httpx, os, sys
for body in sys.argv[2:]:
    if os.fork() == 0:
        try:
            httpx.post(sys.argv[1], content=body)
        finally:
            os._exit(0)
    os.wait()
"""
    words = ["--", sys.executable, "-c", program, URL, body_of(chat()).decode(), body_of(chat(top_p=0.5)).decode()]
    done = command(tmp_path / ".runstore", *words)
    assert done.returncode == 15, done
    assert "answered 1 call from the store, 1 not recorded" in done.stderr


def test_a_retried_miss_is_told_once(repo: Repo, tmp_path: Path) -> None:
    """Libraries try again; the same miss is one line, with how often it came."""
    record(repo, chat())
    program = """
import contextlib, httpx, sys
for _ in range(3):
    with contextlib.suppress(Exception):
        httpx.post(sys.argv[1], content=sys.argv[2])
"""
    done = command(tmp_path / ".runstore", "--", sys.executable, "-c", program, URL, body_of(chat(top_p=0.5)).decode())
    assert done.returncode == 15
    assert done.stderr.count("parameters.top_p") == 1
    assert "3 times" in done.stderr


@pytest.mark.soak
def test_ten_thousand_hits_do_not_grow_memory(repo: Repo) -> None:
    """After ten thousand hits of calls of 20 kB the process is as large as it was, by the system's own count."""
    import gc

    from runstore.capture.tap.handler import Call
    from runstore.reproduce.replay.library import Library

    bodies = [chat(str(number) + "x" * 20_000) for number in range(20)]
    for body in bodies:
        record(repo, body, completion("y" * 1000))
    library = Library(repo)
    calls = [Call("POST", URL, (), body_of(body)) for body in bodies]

    def ask(times: int) -> int:
        for number in range(times):
            asked = library.read(calls[number % len(calls)])
            assert asked is not None
            library.find(asked)
        gc.collect()
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = ask(1000)
    assert ask(10_000) - before < 1 << 20


def test_a_program_that_records_itself_is_answered_all_the_same(repo: Repo, tmp_path: Path) -> None:
    """`instrument` and `uninstrument` within a replay send nothing: neither what is recorded nor what is not."""
    record(repo, chat(), completion("Four."))
    with no_network(), runstore.replay(store=repo, strict=False) as replaying:
        runstore.instrument(tmp_path / "own", background=False)
        try:
            assert text_of(post(chat())) == "Four."
            with pytest.raises(NotRecorded):
                post(chat("What is two and three?"))
        finally:
            runstore.uninstrument()
        assert text_of(post(chat())) == "Four."
    assert (replaying.hits, replaying.missed) == (2, 1)


def test_recording_goes_on_where_a_replay_within_it_ends(repo: Repo, tmp_path: Path) -> None:
    """What `instrument` put on counts again after a replay, wherever it was called."""
    record(repo, chat(), completion("Four."))
    own = tmp_path / "own"
    try:
        with provider() as server:
            with runstore.replay(store=repo):
                runstore.instrument(own, background=False)
            post(chat(), server.chat)
    finally:
        runstore.uninstrument()
    with runstore.open(own) as made:
        assert len(list(made.log())) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_recording_transport_sends_nothing_where_calls_are_answered(repo: Repo, tmp_path: Path, asynchronous: bool) -> None:
    """A transport that records is used without a client, so that no tap is above it: it is answered all the same."""
    record(repo, chat(), completion("Four."))
    transport = runstore.recording_transport(tmp_path / "own", asynchronous=asynchronous)

    def asked(body: dict[str, Any]) -> Any:
        request = httpx.Request("POST", URL, headers=HEADERS, content=body_of(body))
        if not asynchronous:
            response = transport.handle_request(request)
            response.read()
            return response

        async def ask() -> Any:
            response = await transport.handle_async_request(request)
            await response.aread()
            return response

        return asyncio.run(ask())

    with no_network(), runstore.replay(store=repo, strict=False):
        assert text_of(asked(chat())) == "Four."
        with pytest.raises(NotRecorded):
            asked(chat("What is two and three?"))
    if asynchronous:
        asyncio.run(transport.aclose())
    else:
        transport.close()
