"""`python -m benchmarks.replay [--calls N] [--runs N] [--out FILE]`: what a replayed call costs, and what is a miss, beside vcrpy.

Needs the extras `bench` and `test-sdks`. CPU is that of the calling thread. A provider answers while calls are recorded; then it is gone.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import openai
import vcr
from mistralai.client import Mistral
from openai import Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import runstore
from benchmarks.capture import request
from runstore.capture.fake.answers import answer
from runstore.capture.fake.server import Provider
from runstore.capture.tap.handler import Call
from runstore.errors import NotRecorded
from runstore.reproduce.replay.library import Library

ROUNDS = 7
MISSES = 15
POOL = 20
"""So many calls are recorded, each with a question of its own; they are asked in turn."""


class Cost(NamedTuple):
    """Microseconds of CPU of the calling thread for one call: the median of some rounds, and the least."""

    name: str
    micros: float
    least: float


class Change(NamedTuple):
    """A request that was changed, and what came: of runstore, of vcrpy as it is, of vcrpy that compares bodies."""

    what: str
    runstore: str
    default: str
    bodies: str


Way = tuple[str, Callable[[], AbstractContextManager[Any]], Callable[[int], Any]]


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--calls", type=int, default=60, help="calls a round")
    parser.add_argument("--runs", type=int, default=100_000, help="runs of the store in which a miss is looked for")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("REPLAY.md"), help="the page to write")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="benchmarks-") as scratch:
        place = Path(scratch)
        one, many = openai_calls(place / "openai", options.calls), mistral_calls(place / "mistral", options.calls)
        changes = changed(place / "changed")
        grown = memory(place / "openai", 10_000)
        missed = misses(place / "large", options.runs)
    options.out.write_text(page(one, many, changes, grown, missed, options.runs), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))
    return 0


def openai_calls(place: Path, calls: int) -> list[Cost]:
    """Return what a call through OpenAI's library costs: answered by a transport in memory, and replayed, in both forms."""
    bodies = [request(turn) for turn in range(POOL)]
    made = [json.dumps(answer("openai.chat", "small-1", body)).encode() for body in bodies]
    with (
        Provider() as provider,
        runstore.replay("record", store=place),
        openai.OpenAI(api_key="k", base_url=provider.url + "/v1") as client,
    ):
        url = provider.url + "/v1"
        for body in bodies:
            client.chat.completions.create(**body)
    module = __import__(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
    turn = [0]
    headers = {"content-type": "application/json"}
    transport = module.MockTransport(lambda asked: module.Response(200, headers=headers, content=made[turn[0] % POOL]))
    plain = openai.OpenAI(api_key="k", base_url=url, http_client=module.Client(transport=transport))
    replayed = openai.OpenAI(api_key="k", base_url=url)

    def alone(number: int) -> None:
        turn[0] = number
        post(plain, number)

    def post(client: openai.OpenAI, number: int, *, stream: bool = False) -> Any:
        body = {**bodies[number % POOL], **({"stream": True} if stream else {})}
        return client.post("/chat/completions", body=body, cast_to=ChatCompletion, stream=stream, stream_cls=Stream[ChatCompletionChunk])

    ways: list[Way] = [
        ("the SDK alone, the body from memory", nullcontext, alone),
        ("replayed", lambda: runstore.replay(store=place), lambda number: post(replayed, number)),
        (
            "replayed, asked for as a stream",
            lambda: runstore.replay(store=place),
            lambda number: list(post(replayed, number, stream=True)),
        ),
    ]
    return costs(ways, calls)


def mistral_calls(place: Path, calls: int) -> list[Cost]:
    """Return what a call through Mistral's library costs, which uses the httpx that vcrpy knows."""
    asked: list[dict[str, Any]] = [request(turn) for turn in range(POOL)]
    made = [json.dumps(answer("mistral.chat", "small-1", body)).encode() for body in asked]
    cassette = str(place / "calls.yaml")
    place.mkdir()
    with Provider() as provider:
        url = provider.url
        for tool in (
            runstore.replay("record", store=place / "store"),
            vcr.VCR(record_mode="new_episodes", match_on=BODIES).use_cassette(cassette),
        ):
            with tool:
                client = Mistral(api_key="k", server_url=url)
                for body in asked:
                    client.chat.complete(**body)
    turn = [0]
    headers = {"content-type": "application/json"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=made[turn[0] % POOL]))
    plain = Mistral(api_key="k", server_url=url, client=httpx.Client(transport=transport))
    replayed = Mistral(api_key="k", server_url=url)

    def alone(number: int) -> None:
        turn[0] = number
        plain.chat.complete(**asked[number % POOL])

    def ask(number: int) -> None:
        replayed.chat.complete(**asked[number % POOL])

    def vcrpy(**options: Any) -> Callable[[], AbstractContextManager[Any]]:
        return lambda: vcr.VCR(record_mode="none", **options).use_cassette(cassette, allow_playback_repeats=True)

    ways: list[Way] = [
        ("the SDK alone, the body from memory", nullcontext, alone),
        ("runstore", lambda: runstore.replay(store=place / "store"), ask),
        ("vcrpy, as it is", vcrpy(), ask),
        ("vcrpy, comparing bodies", vcrpy(match_on=BODIES), ask),
    ]
    return costs(ways, calls)


BODIES = ("method", "scheme", "host", "port", "path", "query", "body")


def costs(ways: list[Way], calls: int) -> list[Cost]:
    """Measure ways of calling, in turn, so that what else the machine does meets all alike."""
    told: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for _ in range(ROUNDS):
        for name, around, ask in ways:
            with around():
                for number in range(POOL):
                    ask(number)
                begun = time.thread_time_ns()
                for number in range(calls):
                    ask(number)
                told[name].append((time.thread_time_ns() - begun) / calls / 1000)
    return [Cost(name, median(found), min(found)) for name, found in told.items()]


def changed(place: Path) -> list[Change]:
    """Ask with one thing changed at a time, and return what each tool makes of it."""
    place.mkdir()
    cassette = str(place / "call.yaml")
    base: dict[str, Any] = {
        "model": "claude-x",
        "max_tokens": 100,
        "system": "You are terse.",
        "messages": [{"role": "user", "content": "Is it open?"}],
        "tools": [{"name": "hours", "input_schema": {"type": "object"}}],
    }
    beta = {"anthropic-version": "2023-06-01", "anthropic-beta": "one-2025-01-01"}
    with Provider() as provider:
        url = provider.url + "/v1/messages"
        for tool in (runstore.replay("record", store=place / "store"), vcr.VCR(record_mode="once").use_cassette(cassette)):
            with tool:
                httpx.post(url, json=base, headers=beta)
    requests: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("nothing", base, beta),
        ("the prompt", {**base, "system": "You are kind."}, beta),
        ("a message", {**base, "messages": [{"role": "user", "content": "Is it closed?"}]}, beta),
        ("a tool's schema", {**base, "tools": [{"name": "hours", "input_schema": {"type": "object", "properties": {}}}]}, beta),
        ("a parameter, `top_p` added", {**base, "top_p": 0.5}, beta),
        ("the model", {**base, "model": "claude-y"}, beta),
        ("the beta header", base, {**beta, "anthropic-beta": "two-2025-06-01"}),
        ("the user's label (`metadata`)", {**base, "metadata": {"user_id": "ann"}}, beta),
    ]
    return [
        Change(
            what,
            _asked(lambda: runstore.replay(store=place / "store", strict=False), url, body, headers),
            _asked(lambda: vcr.VCR(record_mode="none").use_cassette(cassette), url, body, headers),
            _asked(lambda: vcr.VCR(record_mode="none", match_on=BODIES).use_cassette(cassette), url, body, headers),
        )
        for what, body, headers in requests
    ]


def _asked(around: Callable[[], AbstractContextManager[Any]], url: str, body: Any, headers: dict[str, str]) -> str:
    with around():
        try:
            httpx.post(url, json=body, headers=headers)
        except NotRecorded as error:
            return "a miss: " + str(error).partition("which differs in ")[2]
        except Exception as error:  # noqa: BLE001 - of vcrpy, whose class it is
            return "a miss" if type(error).__name__ == "CannotOverwriteExistingCassetteException" else type(error).__name__
        return "answered"


def memory(place: Path, hits: int) -> tuple[int, int]:
    """Return how many bytes the process grew by, by the system's count, over the first and the second half of so many hits."""
    with runstore.open(place) as repo:
        library = Library(repo)
        url = "http://127.0.0.1:1/v1/chat/completions"  # a loopback address is no part of what is asked
        calls = [Call("POST", url, (("content-type", "application/json"),), json.dumps(request(turn)).encode()) for turn in range(POOL)]

        def ask(times: int) -> int:
            before = _resident()
            for number in range(times):
                asked = library.read(calls[number % POOL])
                assert asked is not None
                library.find(asked)
            gc.collect()
            return _resident() - before

        ask(500)
        return ask(hits // 2), ask(hits // 2)


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def misses(place: Path, runs: int) -> list[Cost]:
    """Return what a miss costs in a small store and in a large one whose runs share model, prompt and tools."""
    told = []
    for count in (1_000, runs):
        with runstore.open(place / str(count), create=True) as repo:
            for batch in _batches(count):
                repo.add_many(batch)
            library = Library(repo)
            found: list[float] = []
            told_so = 0
            for number in range(MISSES):
                asked = library.read(_call({**_question(number), "top_p": 0.5}))
                assert asked is not None
                begun = time.thread_time_ns()
                try:
                    library.find(asked)
                except NotRecorded as error:
                    found.append((time.thread_time_ns() - begun) / 1000)
                    told_so += "parameters.top_p: added, 0.5" in str(error)
        assert told_so == len(found) == MISSES
        told.append(Cost(f"{count:,} runs", median(found), min(found)))
    return told


def _question(number: int) -> dict[str, Any]:
    messages = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": f"What is {number} and {number}?"}]
    return {"model": "small-1", "messages": messages, "temperature": 0, "tools": [{"type": "function", "function": {"name": "add"}}]}


def _call(body: dict[str, Any]) -> Call:
    return Call("POST", "https://api.openai.com/v1/chat/completions", (("content-type", "application/json"),), json.dumps(body).encode())


def _batches(runs: int) -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    from runstore.capture.assemble import assemble
    from runstore.capture.exchange import Exchange

    batch: list[tuple[Any, dict[str, Any]]] = []
    for number in range(runs):
        call, body = _call(_question(number)), _question(number)
        said = json.dumps(answer("openai.chat", "small-1", body)).encode()
        made = assemble(Exchange("POST", call.url, call.headers, call.body or b"", 200, call.headers, said, number + 1, number + 2))
        assert made is not None
        batch.append((made.run, made.fields))
        if len(batch) == 500:
            yield batch
            batch = []
    yield batch


def page(one: list[Cost], many: list[Cost], changes: list[Change], grown: tuple[int, int], missed: list[Cost], runs: int) -> str:
    """Return the page."""
    alone, replayed = one[0], one[1]
    lines = [
        "# Replay",
        "",
        "Written by `python -m benchmarks.replay`. Microseconds of CPU of the calling thread for one call of 20 kB, the median of"
        f" {ROUNDS} rounds; {POOL} recorded calls are asked in turn. The figures are of one machine; what counts is how they compare.",
        "",
        "## A replayed call",
        "",
        "Through OpenAI's library, from `client.post` on: what it does to check arguments costs ten times all else, and is no part of it.",
        "",
        *_table(one),
        "",
        f"A replayed call costs {(replayed.micros - alone.micros) / 1000:.2f} ms more than building the SDK's response object from memory.",
        "",
        f"10,000 hits in one process: it grew by {grown[0] // 1024} KiB over the first half, and {grown[1] // 1024} over the second.",
        "",
        "## Beside vcrpy",
        "",
        f"The same through Mistral's library; [vcrpy](https://vcrpy.readthedocs.io/) {vcr.__version__} has a cassette of {POOL} calls:",
        "",
        *_table(many),
        "",
        "What is answered when one thing about the recorded request is changed:",
        "",
        "| changed | runstore | vcrpy, as it is | vcrpy, comparing bodies |",
        "|---|---|---|---|",
        *(f"| {one.what} | {one.runstore} | {_old(one, one.default)} | {_old(one, one.bodies)} |" for one in changes),
        "",
        "A miss of vcrpy says which matcher failed, names the closest recorded request and, where bodies are compared, shows a diff.",
        "",
        "## A miss",
        "",
        "Time until a miss has named the nearest recorded request, where all runs share model, prompt and tools:",
        "",
        *_table(missed),
        "",
    ]
    return "\n".join(lines)


def _old(change: Change, told: str) -> str:
    return "**the old answer**" if told == "answered" and change.what not in ("nothing",) and "label" not in change.what else told


def _table(found: list[Cost]) -> list[str]:
    return ["| | CPU µs | least |", "|---|---|---|", *(f"| {one.name} | {one.micros:,.0f} | {one.least:,.0f} |" for one in found)]


if __name__ == "__main__":
    raise SystemExit(main())
