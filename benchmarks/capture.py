"""`python -m benchmarks.capture [--calls N] [--out FILE]`: what recording costs who is recorded, and how fast a journal drains.

Needs `httpx`. CPU is that of the caller's thread; where nothing is said of a network there is none, so that only the difference counts.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

import runstore
from runstore.capture.fake.answers import answer
from runstore.capture.fake.server import Provider
from runstore.capture.fake.streams import stream
from runstore.capture.recorder import Options, Recorder
from runstore.capture.tap import patches
from runstore.capture.tap.active import in_force

URL = "http://service.test/v1/chat/completions"
REQUEST_BYTES = 20_000
ROUNDS = 40
WAYS: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("not recorded", None),
    ("`spool`, the default", {}),
    ('`on_error="raise"`', {"on_error": "raise"}),
    ("`spans=True`", {"spans": True}),
    ('`redact="mask"`: the secret scan', {"redact": "mask"}),
    ('`mode="commit"`', {"mode": "commit"}),
)


class Cost(NamedTuple):
    """Microseconds of CPU of the caller's thread for one call: the median of the rounds, and the least."""

    name: str
    median: float
    least: float


class Chunks(httpx.SyncByteStream):
    """A body that comes in pieces, as one from a network."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def request(turn: int = 0) -> dict[str, Any]:
    """Return a request of about 20 kB: a conversation."""
    said = "The library opens at nine on weekdays, and at ten on Saturdays. " * 6
    messages = [{"role": ("user", "assistant")[at % 2], "content": f"{at}: {said}"} for at in range(47)]
    return {"model": "small-1", "messages": [*messages, {"role": "user", "content": f"Question {turn}?"}], "temperature": 0.5}


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__)
    parser.add_argument("--calls", type=int, default=40, help="calls a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each way of recording, taken in turn")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("CAPTURE.md"), help="the page to write")
    options = parser.parse_args(arguments)
    made = answer("openai.chat", "small-1", request())
    kind, chunks = stream("openai.chat", made, {})
    with TemporaryDirectory(prefix="benchmarks-") as scratch:
        place = Path(scratch)
        whole = callers(place / "whole", "application/json", [json.dumps(made).encode()], options.calls, options.rounds)
        streamed = callers(place / "streamed", kind, chunks, options.calls, options.rounds)
        first = first_token(place)
        drained = [("questions about one conversation of 48 messages", draining(place / "branches", branches(2000)))]
        drained.append(("turns of conversations that grow to 48 messages", draining(place / "turns", turns(84))))
    options.out.write_text(page(whole, streamed, len(chunks), first, drained), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))
    return 0


def callers(scratch: Path, content: str, parts: list[bytes], calls: int, rounds: int) -> list[Cost]:
    """Return the cost of a call for each way of recording. The ways take turns, so that what else the machine does meets all alike."""
    body = json.dumps(request()).encode()
    assert abs(len(body) - REQUEST_BYTES) < 1500, len(body)
    told: dict[str, list[float]] = {name: [] for name, _ in WAYS}
    for _ in range(rounds):
        for number, (name, options) in enumerate(WAYS):
            count = max(4, calls // 10) if options == {"mode": "commit"} else calls
            told[name].append(_cost(scratch / str(number), body, content, parts, options, count))
    return [Cost(name, median(costs), min(costs)) for name, costs in told.items()]


def _cost(store: Path, body: bytes, content: str, parts: list[bytes], options: dict[str, Any] | None, calls: int) -> float:
    """Return the microseconds of this thread a call, in one round."""
    headers = {"content-type": "application/json", "authorization": "Bearer key"}
    transport = httpx.MockTransport(lambda asked: httpx.Response(200, headers={"content-type": content}, stream=Chunks(parts)))
    if options is not None:
        runstore.instrument(store, background=False, **options)
    try:
        with httpx.Client(transport=transport) as client:

            def call() -> None:
                with _span(options), client.stream("POST", URL, content=body, headers=headers) as response:
                    for _ in response.iter_raw():
                        pass

            call()
            begun = time.thread_time_ns()
            for _ in range(calls):
                call()
            return (time.thread_time_ns() - begun) / calls / 1000
    finally:
        if options is not None:
            runstore.uninstrument(drain=False)


def _span(options: dict[str, Any] | None) -> Any:
    """Return a span that records and does nothing else, where spans are asked for and OpenTelemetry is installed."""
    if not (options or {}).get("spans"):
        return nullcontext()
    try:
        from opentelemetry import trace
    except ImportError:
        return nullcontext()

    class Recording(trace.NonRecordingSpan):
        def is_recording(self) -> bool:
            return True

    return trace.use_span(Recording(trace.INVALID_SPAN_CONTEXT))


def first_token(scratch: Path, count: int = 200) -> tuple[float, float]:
    """Return the median milliseconds to the first chunk of a stream over loopback, not recorded and recorded, taken in turn."""
    told: dict[bool, list[float]] = {False: [], True: []}
    body = {**request(), "stream": True}
    runstore.open(scratch / "first", create=True).close()
    recorder = Recorder(Options(str(scratch / "first")))
    patches.install()
    with Provider() as provider, httpx.Client() as client:
        for turn in range(2 * count):
            recorded = bool(turn % 2)
            with in_force(recorder) if recorded else nullcontext():
                begun = time.perf_counter_ns()
                with client.stream("POST", provider.url + "/v1/chat/completions", json=body) as response:
                    chunks = response.iter_raw()
                    next(chunks)
                    told[recorded].append((time.perf_counter_ns() - begun) / 1e6)
                    for _ in chunks:
                        pass
    patches.remove()
    recorder.close()
    return median(told[False]), median(told[True])


def branches(count: int) -> Iterator[dict[str, Any]]:
    """Yield requests of 20 kB each that differ in their last message."""
    return (request(turn) for turn in range(count))


def turns(conversations: int) -> Iterator[dict[str, Any]]:
    """Yield the requests of conversations, turn by turn: each has two messages more than the one before."""
    for number in range(conversations):
        messages = [{**message, "content": f"{number}, {message['content']}"} for message in request()["messages"]]
        for turn in range(1, len(messages), 2):
            yield {**request(), "messages": messages[:turn]}


def draining(store: Path, requests: Iterator[dict[str, Any]]) -> tuple[float, float, int]:
    """Return runs a second by the clock and by CPU of a drain of requests, and how many runs that were."""
    runstore.instrument(store, background=False)
    made = answer("openai.chat", "small-1", request())
    transport = httpx.MockTransport(lambda asked: httpx.Response(200, json=made))
    with httpx.Client(transport=transport) as client:
        for body in requests:
            client.post(URL, json=body)
    runstore.uninstrument(drain=False)
    begun, spent = time.perf_counter(), time.process_time()
    done = runstore.drain(store)
    return done / (time.perf_counter() - begun), done / (time.process_time() - spent), done


Drained = list[tuple[str, tuple[float, float, int]]]


def page(whole: list[Cost], streamed: list[Cost], chunks: int, first: tuple[float, float], drained: Drained) -> str:
    """Return the page."""
    lines = [
        "# What capture costs",
        "",
        f"Made by `python -m benchmarks.capture` on {os.cpu_count()} cores, Python {sys.version.split()[0]}, httpx {httpx.__version__}.",
        "Requests have 20 kB: a conversation of 48 messages. CPU is that of the caller's thread, for one call; the transport answers from",
        "memory. The ways take turns in short rounds: the median of the rounds and, in brackets, the least, the one that other work on the",
        "machine disturbed least.",
        "",
        f"| | answer in one piece: CPU, µs | more than not recorded | streamed in {chunks} chunks: CPU, µs | more |",
        "|---|---|---|---|---|",
        *(f"| {one.name} | {_told(one, whole[0])} | {_told(other, streamed[0])} |" for one, other in zip(whole, streamed, strict=True)),
        "",
        f"- Of a call that takes 50 ms, recording in mode `spool` takes {(whole[1].median - whole[0].median) / 50_000:.2%}.",
        f"- The first chunk of a stream over loopback came after {first[0]:.2f} ms not recorded, and {first[1]:.2f} ms recorded (medians,",
        "  taken in turn).",
    ]
    for name, (clock, cpu, count) in drained:
        lines.append(f"- Drained, {name}: {count} runs, {clock:,.0f} a second by the clock, {cpu:,.0f} a second of CPU.")
    lines += [
        "- `spans` (with a span that records) computes the ids in the caller's thread; `commit` also waits for the disk, which is not CPU.",
        "",
    ]
    return "\n".join(lines)


def _told(cost: Cost, base: Cost) -> str:
    return f"{cost.median:.0f} ({cost.least:.0f}) | {cost.median - base.median:.0f} ({cost.least - base.least:.0f})"


if __name__ == "__main__":
    sys.exit(main())
