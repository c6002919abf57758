"""`python -m benchmarks.capture [--calls N] [--out FILE]`: what recording costs who is recorded, and how fast a journal drains.

Needs `httpx`. CPU is that of the caller's thread; where nothing is said of a network there is none, so that only the difference counts.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
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

URL = "http://service.test/v1/chat/completions"
REQUEST_BYTES = 20_000
ROUNDS = 7


class Cost(NamedTuple):
    """Microseconds of CPU of the caller's thread for one call."""

    name: str
    micros: float


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
    parser.add_argument("--calls", type=int, default=300, help="calls a round")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("CAPTURE.md"), help="the page to write")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="benchmarks-") as scratch:
        costs, streamed = callers(Path(scratch), options.calls)
        first = first_token(Path(scratch))
        drained = draining(Path(scratch), 2000)
    options.out.write_text(page(costs, streamed, first, drained), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))
    return 0


def callers(scratch: Path, calls: int) -> tuple[list[Cost], list[Cost]]:
    """Return the cost of a call for each way of recording, in one piece and streamed."""
    body = json.dumps(request()).encode()
    assert abs(len(body) - REQUEST_BYTES) < 1500, len(body)
    made = answer("openai.chat", "small-1", request())
    kind, chunks = stream("openai.chat", made, {})
    whole = json.dumps(made).encode()
    ways: list[tuple[str, dict[str, Any] | None]] = [
        ("not recorded", None),
        ("`spool`, the default", {}),
        ('`on_error="raise"`', {"on_error": "raise"}),
        ('`redact="mask"`: the secret scan', {"redact": "mask"}),
        ("`spans=True`", {"spans": True}),
        ('`mode="commit"`', {"mode": "commit"}),
    ]
    told: list[list[Cost]] = [[], []]
    for into, (content, parts) in zip(told, (("application/json", [whole]), (kind, chunks)), strict=True):
        for number, (name, options) in enumerate(ways):
            into.append(Cost(name, _cost(scratch / f"{len(told[1])}-{number}-{len(parts)}", body, content, parts, options, calls)))
    return told[0], told[1]


def _cost(store: Path, body: bytes, content: str, parts: list[bytes], options: dict[str, Any] | None, calls: int) -> float:
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

            count = calls if options is None or options.get("mode") != "commit" else max(20, calls // 10)
            return _micros(call, count)
    finally:
        if options is not None:
            runstore.uninstrument(drain=False)


def _span(options: dict[str, Any] | None) -> Any:
    """Return a span that records, where spans are asked for and OpenTelemetry is installed."""
    if not (options or {}).get("spans"):
        return nullcontext()
    try:
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        return nullcontext()
    return TracerProvider(shutdown_on_exit=False).get_tracer("benchmark").start_as_current_span("call")


def _micros(call: Callable[[], None], count: int) -> float:
    """Return the CPU of this thread a call: the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.thread_time_ns()
        for _ in range(count):
            call()
        rounds.append((time.thread_time_ns() - begun) / count / 1000)
    return median(rounds)


def first_token(scratch: Path, count: int = 60) -> tuple[float, float]:
    """Return the median milliseconds to the first chunk of a stream over loopback, not recorded and recorded, taken in turn."""
    told: dict[bool, list[float]] = {False: [], True: []}
    body = {**request(), "stream": True}
    with Provider() as provider, httpx.Client() as client:
        for turn in range(2 * count):
            recorded = bool(turn % 2)
            if recorded:
                runstore.instrument(scratch / "first", background=False)
            begun = time.perf_counter_ns()
            with client.stream("POST", provider.url + "/v1/chat/completions", json=body) as response:
                next(response.iter_raw())
                told[recorded].append((time.perf_counter_ns() - begun) / 1e6)
            if recorded:
                runstore.uninstrument(drain=False)
    return median(told[False]), median(told[True])


def draining(scratch: Path, count: int) -> tuple[float, float, int]:
    """Return runs a second by the clock and by CPU of a drain of conversations of 20 kB requests, and how many runs that were."""
    store = scratch / "drain"
    runstore.instrument(store, background=False)
    made = answer("openai.chat", "small-1", request())
    transport = httpx.MockTransport(lambda asked: httpx.Response(200, json=made))
    with httpx.Client(transport=transport) as client:
        for turn in range(count):
            client.post(URL, json=request(turn))
    runstore.uninstrument(drain=False)
    begun, spent = time.perf_counter(), time.process_time()
    done = runstore.drain(store)
    return done / (time.perf_counter() - begun), done / (time.process_time() - spent), done


def page(costs: list[Cost], streamed: list[Cost], first: tuple[float, float], drained: tuple[float, float, int]) -> str:
    """Return the page."""
    lines = [
        "# What capture costs",
        "",
        f"Made by `python -m benchmarks.capture` on {os.cpu_count()} cores, Python {sys.version.split()[0]}, httpx {httpx.__version__}.",
        "Requests have 20 kB: a conversation of 48 messages. CPU is that of the caller's thread, the median of "
        f"{ROUNDS} rounds; the transport answers from memory. Other work on the machine makes the figures larger.",
        "",
        "| | answer in one piece: CPU, µs | more than not recorded | streamed: CPU, µs | more |",
        "|---|---|---|---|---|",
    ]
    for one, other in zip(costs, streamed, strict=True):
        more, others = one.micros - costs[0].micros, other.micros - streamed[0].micros
        lines.append(f"| {one.name} | {one.micros:.0f} | {more:.0f} | {other.micros:.0f} | {others:.0f} |")
    share = (costs[1].micros - costs[0].micros) / 50_000
    lines += [
        "",
        f"- Of a call that takes 50 ms, recording in mode `spool` takes {share:.2%}.",
        f"- The first chunk of a stream over loopback came after {first[0]:.2f} ms not recorded, and {first[1]:.2f} ms recorded (medians,",
        "  taken in turn).",
        f"- A journal of {drained[2]} runs drained at {drained[0]:,.0f} runs a second by the clock, {drained[1]:,.0f} a second of CPU.",
        "- `spans` (with a span that records) computes the ids in the caller's thread; `commit` also waits for the disk, which is not CPU.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
