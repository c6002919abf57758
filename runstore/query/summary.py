"""Summaries: one line about an execution, or about any object. Read from the store, remembered by link.

A summary of an execution costs a few reads, since only the last message of the question and the first of the answer are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runstore.errors import NotFound
from runstore.model.elements import count
from runstore.model.encoding import decode_trusted
from runstore.model.executions import Execution, decode_execution_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.slots import is_run
from runstore.model.trees import SlotState, decode_tree_trusted
from runstore.query.content import bytes_line, decoded, last_line, one_line, text_of
from runstore.query.lists import first_of, last_of
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.query.paths import Fetch

WIDTH = 40
_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens", "prompt_eval_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens", "eval_count")
# Anthropic counts what it read from and wrote to its cache beside `input_tokens`, Gemini its thoughts beside the candidates.
_MORE_INPUT = ("cache_read_input_tokens", "cache_creation_input_tokens")
_MORE_OUTPUT = ("thoughtsTokenCount",)
SERVED = ("version", "model_version", "modelVersion", "served_model", "model")
_REMEMBERED = 20_000
NOT_HERE = "(not here)"


class Tokens(NamedTuple):
    """Tokens read and written, as the provider counted them; None where it did not say."""

    input: int | None
    output: int | None


class Summary(NamedTuple):
    """One execution in a line: the model asked for, what answered if that is another name, tokens, question's end, answer's start.

    Texts are one line of at most WIDTH characters, empty where there is none. Instead of an answer that there is none, a message.
    """

    model: str
    served: str | None
    tokens: Tokens
    question: str
    answer: str


class Summaries:
    """Makes summaries, and remembers what many executions share. Bound to a snapshot by its `fetch`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._values: dict[bytes, Mapping[str, Any]] = {}
        self._lines: dict[tuple[bytes, bool], str] = {}

    def of(self, execution: Execution) -> Summary:
        """Return the summary of an execution; of a merge, empty texts."""
        if execution.run is None:
            return Summary("", None, Tokens(None, None), "", "")
        slots = decode_tree_trusted(self._fetch(execution.run.id).body)
        model, served = self.model(slots)
        return Summary(model, served, tokens(execution.usage), self.question(slots), self.said(execution))

    def model(self, slots: Mapping[str, Link | SlotState]) -> tuple[str, str | None]:
        """Return the name of the model asked for, and of what answered where that differs."""
        asked = self._settings(slots.get("model"))
        name = asked.get("name")
        served = served_version(self._settings(slots.get("runtime")))
        shown = name if isinstance(name, str) else str(asked.get("api") or "")
        return shown, served if served != name else None

    def question(self, slots: Mapping[str, Link | SlotState]) -> str:
        """Return the end of the last message, or of the prompt where there is no history."""
        try:
            return self._question(slots)
        except NotFound:
            return NOT_HERE

    def _question(self, slots: Mapping[str, Link | SlotState]) -> str:
        history = slots.get("history")
        if isinstance(history, Link) and history.kind == Kind.LIST:
            last = last_of(history, self._fetch)
            if last is not None:
                return self._line(last, end=True)
        prompt = slots.get("prompt")
        return self._line(prompt, end=True) if isinstance(prompt, Link) else ""

    def answer(self, output: Link | None) -> str:
        """Return the start of an output."""
        try:
            if output is not None and output.kind == Kind.LIST:
                output = first_of(output, self._fetch)
            return "" if output is None else self._line(output, end=False)
        except NotFound:
            return NOT_HERE

    def said(self, execution: Execution) -> str:
        """Return the start of what an execution gave; where it gave nothing, what was written about it, in brackets."""
        if execution.output is None and isinstance(execution.message, str):
            return f"({one_line(execution.message, WIDTH - 2)})"
        return self.answer(execution.output)

    def _settings(self, slot: Link | SlotState | None) -> Mapping[str, Any]:
        if not isinstance(slot, Link):
            return {}
        found = self._values.get(slot.id)
        if found is None:
            value = decode_trusted(self._fetch(slot.id).body)
            found = self._values[slot.id] = value if isinstance(value, dict) else {}
        return found

    def _line(self, link: Link, *, end: bool) -> str:
        key = (link.id, end)
        found = self._lines.get(key)
        if found is None:
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            text = object_text(self._fetch(link.id))
            found = self._lines[key] = last_line(text, WIDTH) if end else one_line(text, WIDTH)
        return found


def tokens(usage: Mapping[str, Any] | None) -> Tokens:
    """Return the tokens that a usage states, in the names of the common APIs."""
    if not usage:
        return Tokens(None, None)
    for inner in ("tokens", "billed_units"):  # Cohere
        if isinstance(usage.get(inner), Mapping):
            usage = usage[inner]
    return Tokens(_sum(usage, _INPUT, _MORE_INPUT), _sum(usage, _OUTPUT, _MORE_OUTPUT))


def served_version(runtime: Mapping[str, Any]) -> str | None:
    """Return the version of the model that answered, as a runtime states it."""
    return next((value for key in SERVED if isinstance(value := runtime.get(key), str) and value), None)


def object_text(obj: Object) -> str:
    """Return the text of a blob or a value, for people."""
    if obj.kind == Kind.BLOB:
        return bytes_line(obj.body)
    value = decode_trusted(obj.body)
    if isinstance(value, dict) and len(value) == 2 and "role" in value and isinstance(value.get("content"), str):
        return str(value["content"])  # most messages are no more than this
    return text_of(value)


def first_line(obj: Object, fetch: Fetch, width: int = 72) -> str:
    """Return a first line that tells an object of any kind from others, at most `width` characters."""
    if obj.kind == Kind.BLOB:
        text = decoded(obj.body)
        return f"{len(obj.body)} bytes" if text is None else one_line(text, width)
    if obj.kind == Kind.LIST:
        number, first = count(obj.link, fetch), first_of(obj.link, fetch)
        rest = "" if first is None else f": {object_text(fetch(first.id))}"
        return one_line(f"{number} element{'' if number == 1 else 's'}{rest}", width)
    if obj.kind == Kind.TREE:
        return one_line(_tree_line(obj, fetch), width)
    if obj.kind == Kind.EXECUTION:
        return one_line(_execution_line(decode_execution_trusted(obj.body), fetch), width)
    if obj.kind == Kind.TAG:
        from runstore.model.tags import decode_tag

        tag = decode_tag(obj.body)
        return one_line(f"{tag.name} → {tag.target}", width)
    return one_line(object_text(obj), width)


def _tree_line(obj: Object, fetch: Fetch) -> str:
    slots = decode_tree_trusted(obj.body)
    if not is_run(slots):
        return f"tree of {', '.join(slots) or 'nothing'}"
    summaries = Summaries(fetch)
    return f"{summaries.model(slots)[0] or 'unknown model'}: {summaries.question(slots)}"


def _execution_line(execution: Execution, fetch: Fetch) -> str:
    if execution.run is None:
        return f"merge of {len(execution.parents)} executions"
    summary = Summaries(fetch).of(execution)
    return f"{summary.served or summary.model or 'unknown model'}: {summary.question} → {summary.answer}"


def _sum(usage: Mapping[str, Any], names: tuple[str, ...], more: tuple[str, ...]) -> int | None:
    found = next((value for name in names if (value := _count(usage.get(name))) is not None), None)
    return None if found is None else found + sum(_count(usage.get(name)) or 0 for name in more)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
