"""Replay to the SDKs that people use: offline, blocking and awaiting, and in both forms of an answer whichever was recorded."""

from __future__ import annotations

import gc
import inspect
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import runstore
from runstore.capture.assemble import assemble
from runstore.capture.codecs.restream import STREAMS
from runstore.capture.exchange import Exchange, Pairs
from runstore.capture.fake.answers import answer
from runstore.capture.tap import patches
from runstore.capture.tap.active import in_force
from runstore.capture.tap.handler import Call, Reply, Turn
from runstore.model.executions import Execution
from runstore.model.ids import Link, Object
from runstore.repo import Repo
from runstore.reproduce.replay.library import Library
from runstore.reproduce.replay.replayer import Replayer
from tests.capture.codecs.exchanges import body_of, call, read
from tests.capture.codecs.support import URLS
from tests.capture.sdks import test_sdks as matrix
from tests.reproduce.guard import no_network
from tests.reproduce.sdks import SDKS, Said, Sent, ask, in_form

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]

provider, store = matrix.provider, matrix.store
WALKS = [
    walk for name, walk in inspect.getmembers(matrix, inspect.isfunction)
    if name.startswith("test_") and list(inspect.signature(walk).parameters) == ["store", "provider"]
]  # fmt: skip


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_what_an_sdk_was_recorded_doing_it_does_again_offline(walk: Callable[..., None], store: Path, provider: Any) -> None:
    """The same program runs a second time without a network; the provider sees no more than before, and nothing is added to the store."""
    walk(store, provider)
    runstore.uninstrument()
    asked = len(provider.served)
    with no_network(), runstore.replay(store=store) as replaying:
        walk(store, provider)  # its own assertions count what the provider served, and what the store holds
    assert (replaying.hits, replaying.missed) == (asked, 0)


# --- both forms --------------------------------------------------------------------------------------------------------------------


class Only(Library):
    """A library that knows one execution."""

    def __init__(self, repo: Repo, only: Link) -> None:
        super().__init__(repo)
        self._only = only

    def answers(self, request: bytes) -> list[tuple[Object, Execution]]:
        """Return the one answer."""
        return [one for one in super().answers(request) if one[0].link == self._only]


def replayed(repo: Repo, execution: Link, api: str, sent: Sent, *, streamed: bool) -> Said:
    """Ask through the SDK, and answer with one execution."""
    with no_network(), in_force(Replayer(Only(repo, execution))):
        return ask(api, sent, streamed=streamed)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Let go of what the SDKs leave open, where that is no error of ours."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def tapped() -> Iterator[None]:
    """The clients' patches, in place."""
    patches.install()
    yield
    patches.remove()


def generated(api: str, model: str) -> dict[str, Any]:
    """Return the answer of the fake provider, in one piece."""
    if api == "bedrock.invoke":
        return answer("anthropic.messages", model, {"messages": matrix.QUESTION, **TOOLS})
    if api == "cohere.chat.v1":
        return {"text": "You said: Is it open?", "generation_id": "g", "response_id": "r", "finish_reason": "COMPLETE", "meta": {}}
    return answer(api, model, {"messages": matrix.QUESTION, **TOOLS} if "generate" not in api else {"prompt": "Is it open?"})


TOOLS: dict[str, Any] = {"tools": [{"name": "open", "function": {"name": "open"}}]}


@pytest.mark.usefixtures("tapped")
@pytest.mark.parametrize("recorded", ["whole", "streamed"])
@pytest.mark.parametrize("api", SDKS)
def test_an_answer_is_given_in_both_forms(api: str, recorded: str, repo: Repo) -> None:
    """Recorded in one piece or as a stream, the SDK understands the same from either; a call of a tool as well as a text."""
    if find_spec(SDKS[api][0].partition(".")[0]) is None:
        pytest.skip(f"{SDKS[api][0]} is not installed: pip install 'runstore[test-sdks]'")
    for model in ("small-x", "small-tool"):
        body = generated(api, model)
        url = URLS[api] if api != "bedrock.invoke" else URLS[api].replace("claude-v2", "claude-3")
        sent = in_form(
            api, Sent(url, {}, json.dumps({"model": model, "messages": matrix.QUESTION}).encode()), streamed=recorded == "streamed"
        )
        kind, data = "application/json", json.dumps(body).encode()
        if recorded == "streamed":
            made_of = STREAMS[api](body)
            assert made_of is not None
            kind, data = made_of
        made = assemble(Exchange("POST", sent.url, (), sent.body, 200, (("content-type", kind),), data, 1, 2))
        assert made is not None
        assert made.fields["status"] == "ok"
        execution = repo.add(made.run, **made.fields).execution
        whole = replayed(repo, execution, api, sent, streamed=False)
        assert replayed(repo, execution, api, sent, streamed=True) == whole
        assert whole.text or whole.calls
        assert "Is it open?" in whole.text or whole.calls == (("open", "{}"),)


# --- recorded traffic --------------------------------------------------------------------------------------------------------------


class Original:
    """A handler that gives the recorded bytes, as they came."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def start(self, call: Call) -> Turn:
        """See `Handler`."""
        return _Given(self.reply)


class _Given(Turn):
    __slots__ = ("_reply",)

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def reply(self) -> Reply:
        return self._reply


class Exchanged(NamedTuple):
    """A recorded chat exchange: how it is asked, the bytes that came, and the execution that it was recorded as."""

    api: str
    source: str
    sent: Sent
    streamed: bool
    came: Reply
    execution: Link


def chats(repo: Repo, path: Path, api: str, counts: Counter[str]) -> Iterator[Exchanged]:
    """Record the chat exchanges of an API with status 200 of a file, and yield those that were answered."""
    ready = []
    for exchange in read(path):
        found = call(exchange)
        if found is None or found.codec.name != api or exchange.get("status") != 200 or "operation" in found.decoded.slots["model"]:
            continue
        given, came = body_of(exchange, "request"), body_of(exchange, "response")
        if api == "bedrock.invoke" and b'"embedding' in came[:400]:
            continue
        counts["exchanges"] += 1
        if found.answer.status != "ok":
            counts[f"not served: {found.answer.status}"] += 1
            continue
        sides: list[Pairs] = [_pairs(exchange[side]) for side in ("request_headers", "response_headers")]
        made = assemble(Exchange("POST", exchange["url"], sides[0], given, 200, sides[1], came))
        assert made is not None
        ready.append((found, Sent(exchange["url"], dict(sides[0]), given), Reply(200, _kind(sides[1]), (_events(came),)), made))
    recorded = repo.add_many([(made.run, made.fields) for _, _, _, made in ready])
    for (found, sent, reply, _), done in zip(ready, recorded, strict=True):
        yield Exchanged(api, found.exchange["source"], sent, bool(found.answer.response.get("streamed")), reply, done.execution)


def _pairs(headers: Any) -> Pairs:
    return tuple((str(name), str(value)) for name, value in dict(headers).items())


def _kind(headers: Pairs) -> Pairs:
    return tuple(pair for pair in headers if pair[0].lower() == "content-type")


def _events(body: bytes) -> bytes:
    """Return Gemini's stream without `alt=sse` as the events that its SDK asks for."""
    if not body.startswith(b"["):
        return body
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in json.loads(body))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("tapped")
@pytest.mark.parametrize("api", SDKS)
def test_every_recorded_chat_is_replayed_with_the_same_text(api: str, recordings: Path | None, repo: Repo) -> None:
    """What an SDK understands of the recorded bytes it understands of the replay, in both forms, for every recorded chat."""
    if recordings is None:
        pytest.skip("needs recorded exchanges: give their directory with --data DIR")
    counts: Counter[str] = Counter()
    for one in chats(repo, recordings / "cassettes_full.jsonl.zst", api, counts):
        with in_force(Original(one.came)):
            try:
                expected = ask(api, one.sent, streamed=one.streamed)
            except (TypeError, AttributeError):
                counts["the SDK cannot read what came"] += 1
                continue
        forms = (False,) if "/ai21.j2" in one.sent.url else (False, True)  # Bedrock streams every family but this
        for streamed in forms:
            assert replayed(repo, one.execution, api, one.sent, streamed=streamed) == expected, (one.source, streamed)
        counts["same text in both forms" if len(forms) > 1 else "same text, has one form"] += 1
    print(f"\n{api}: {dict(counts)}")
    same = counts["same text in both forms"] + counts["same text, has one form"]
    assert same
    assert counts["exchanges"] == same + sum(number for fact, number in counts.items() if fact.startswith(("not served", "the SDK")))
