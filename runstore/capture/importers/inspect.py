"""Import of evaluation logs of Inspect: `.eval` and `.json`. Each call of a model in a sample is an execution.

Where the log has the request as it went to the provider's library, that is read by the codec of its API; else Inspect's own account of it.
Source: docs/spec/import/inspect.md; Inspect's log format (inspect_ai.log, versions 1 and 2).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

from runstore.capture.codecs.media import lift
from runstore.capture.importers.entries import Bad, Entry, Session, Told
from runstore.capture.importers.files import MAX_FILE, json_of, whole
from runstore.capture.importers.told import by_codec, conversation, stated
from runstore.errors import InvalidInput
from runstore.runs.compose import microseconds

_ATTACHED = ("attachment://", "tc://")
_OWN = ("id", "source", "metadata", "model", "internal")
_APIS = {"anthropic": "anthropic.messages", "google": "gemini.generate", "mistral": "mistral.chat"}
_BROKEN = (KeyError, TypeError, AttributeError, IndexError)


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the calls of a log, sample by sample. Raises InvalidInput if it is none."""
    data = whole(stream)
    found = _packed(data) if data.startswith(b"PK") else _plain(data)
    header = next(found)
    evaluation = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(evaluation, dict):
        raise InvalidInput("no log of Inspect: it has no `eval`", kind="bad-log")
    for place, sample in found:
        try:
            yield from _sample(place, evaluation, sample)
        except (InvalidInput, *_BROKEN) as error:
            yield Bad(place, str(error) if isinstance(error, InvalidInput) else "no sample of a log")


def _plain(data: bytes) -> Iterator[Any]:
    log = json_of(data)
    yield log
    samples = log.get("samples") or []
    yield from ((f"samples[{number}]", sample) for number, sample in enumerate(samples))


def _packed(data: bytes) -> Iterator[Any]:
    """Yield the header of an .eval file, a zip, then its samples by name. The members are compressed with deflate, or with zstd."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
            head = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
            if head is None:
                raise InvalidInput("no log of Inspect: it has no header.json", kind="bad-log")
            yield _member(archive, head)
            for name in sorted(name for name in names if name.startswith("samples/") and name.endswith(".json")):
                yield name, _member(archive, name)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        hint = "`inspect log convert --to json` writes it anew" if isinstance(error, NotImplementedError) else None
        raise InvalidInput(f"the log cannot be read: {error}", hint=hint, kind="bad-log") from error


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > MAX_FILE:
        raise InvalidInput(f"{name} has more than {MAX_FILE} bytes", kind="limit-exceeded")
    return json_of(archive.read(name))


def _sample(place: str, evaluation: Mapping[str, Any], sample: dict[str, Any]) -> Iterator[Entry]:
    old = sample.get("transcript") if isinstance(sample.get("transcript"), dict) else {}
    events = sample.get("events") or (old or {}).get("events") or []
    attached = sample.get("attachments") or (old or {}).get("content") or {}
    pools = sample.get("events_data") or {}
    log = _Sample(evaluation, sample, attached, pools.get("messages") or sample.get("message_pool") or [], pools.get("calls") or [])
    calls = [(number, event) for number, event in enumerate(events) if event.get("event") == "model" and not event.get("pending")]
    if not calls:
        yield from log.conversation(place)
    for count, (number, event) in enumerate(calls):
        try:
            yield log.call(f"{place}, events[{number}]", count, event)
        except (InvalidInput, *_BROKEN) as error:
            yield Bad(f"{place}, events[{number}]", str(error) if isinstance(error, InvalidInput) else "no call of a model")


class _Sample:
    """A sample with what its events refer to."""

    def __init__(
        self, evaluation: Mapping[str, Any], sample: Mapping[str, Any], attached: Mapping[str, str], messages: list[Any], calls: list[Any]
    ) -> None:
        self._evaluation = evaluation
        self._sample = sample
        self._attached = attached
        self._messages = messages
        self._calls = calls
        run = str(evaluation.get("eval_id") or evaluation.get("run_id") or evaluation.get("created"))
        self._session: Session = (str(evaluation.get("task") or "task"), run, f"{sample['id']}-{sample['epoch']}")

    def call(self, place: str, count: int, event: Mapping[str, Any]) -> Told:
        """Tell a model event."""
        call = event.get("call") or {}
        request = self._request(call)
        response = self._whole(call.get("response"))
        slots: dict[str, Any]
        if request is not None and "messages" in request:
            provider = str(event.get("model") or "").partition("/")[0]
            slots, fields = by_codec(_APIS.get(provider, "openai.chat"), request, response if isinstance(response, dict) else None)
            if not fields.get("output"):
                slots, fields = slots, fields | self._answer(event, slots)
        else:
            slots = self._asked(event)
            fields = self._answer(event, slots)
        return Told(place, self._session, self._name(str(count)), slots, fields | self._common(event))

    def conversation(self, place: str) -> Iterator[Told]:
        """Tell a sample that has its messages alone: each of the assistant's is an answer to those before it."""
        messages = [self._message(message) for message in self._sample.get("messages") or []]
        slots = {"model": {"name": self._evaluation["model"]}} if self._evaluation.get("model") else {}
        for number, message in enumerate(messages):
            if message.get("role") == "assistant":
                told = {**slots, **conversation(messages[:number])}
                fields = {"output": lift([message]), "notes": self._notes()}
                yield Told(f"{place}, messages[{number}]", self._session, self._name(f"messages/{number}"), told, fields)

    def _request(self, call: Mapping[str, Any]) -> dict[str, Any] | None:
        request = call.get("request")
        if not isinstance(request, dict):
            return None
        if call.get("call_refs") is not None:
            request = {**request, call.get("call_key") or "messages": _expanded(call["call_refs"], self._calls)}
        found: dict[str, Any] = self._whole(request)
        return found

    def _asked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the slots that Inspect itself tells."""
        held = event.get("input") or (_expanded(event["input_refs"], self._messages) if event.get("input_refs") else [])
        tools = self._whole(event.get("tools"))
        settings = stated(event.get("config"))
        if tools and event.get("tool_choice") is not None:
            settings["tool_choice"] = event["tool_choice"]
        return {
            "model": {"name": event["model"]} if event.get("model") else None,
            **conversation([self._message(message) for message in held]),
            "parameters": settings or False,
            "documents": False,
            "tools": tools or False,
        }

    def _answer(self, event: Mapping[str, Any], slots: dict[str, Any]) -> dict[str, Any]:
        output = event.get("output") or {}
        if output.get("model"):
            slots["runtime"] = {"model": output["model"]}
        choices = [self._message(choice["message"]) for choice in output.get("choices") or []]
        return {"output": lift(choices) or None, "usage": stated(output.get("usage")) or None}

    def _common(self, event: Mapping[str, Any]) -> dict[str, Any]:
        began = microseconds("timestamp", event["timestamp"]) if event.get("timestamp") else None
        took = (event.get("output") or {}).get("time")
        ended = microseconds("completed", event["completed"]) if event.get("completed") else None
        if ended is None and began is not None and isinstance(took, int | float):
            ended = began + round(took * 1_000_000)
        failed = event.get("error")
        notes = self._notes() | ({"error": str(failed)[:500]} if failed else {})
        return {"started": began, "ended": ended, "notes": notes, **({"status": "error"} if failed else {})}

    def _notes(self) -> dict[str, Any]:
        return {"task": self._session[0], "sample": str(self._sample["id"]), "epoch": self._sample["epoch"]}

    def _name(self, place: str) -> str:
        return "/".join((*self._session, place))

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a message without what Inspect keeps for itself: the model reads none of it."""
        found = {key: value for key, value in self._whole(message).items() if key not in _OWN and value is not None}
        return found

    def _whole(self, value: Any) -> Any:
        """Return a value with the texts that stand apart put back."""
        if isinstance(value, str):
            head = next((one for one in _ATTACHED if value.startswith(one)), None)
            return value if head is None else self._attached.get(value.removeprefix(head), value)
        if isinstance(value, dict):
            return {key: self._whole(item) for key, item in value.items()}
        return [self._whole(item) for item in value] if isinstance(value, list) else value


def _expanded(refs: Any, pool: list[Any]) -> list[Any]:
    return [item for start, end in refs for item in pool[start:end]]
