"""Completeness: does a run say all that acted on the model (complete), and could it be run again (repeatable)?

`complete` is a verdict: every slot is known, nothing is given only by URL or by an id on a server, and the model is pinned or the version
that answered is recorded. `repeatable` is advice. Where a rule cannot know, it says so and decides nothing.
The rules stand in `RULES`; what each says and cannot know is in docs/how-to/check-a-run.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from runstore.errors import Damaged
from runstore.model.elements import elements
from runstore.model.encoding import decode_trusted
from runstore.model.executions import decode_execution_trusted
from runstore.model.ids import Kind, Link
from runstore.model.slots import in_reading_order
from runstore.model.trees import UNKNOWN, Slot, SlotState, decode_tree_trusted
from runstore.runs.lookup import executions_of
from runstore.runs.pinning import SERVED, WEIGHTS, is_stated, pinned
from runstore.runs.references import Reference, hosted_tools, pointer_alone, references
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

COMPLETE = "complete"
REPEATABLE = "repeatable"
_CONTENT = ("prompt", "parameters", "documents", "tools", "history", "output_format", "extra")
_OF_MODELS = frozenset(("seed", "temperature", "engine", "weights"))
"""Rules that say nothing of a call of a tool."""
_REMEMBERED = 100_000
_MOST_EXECUTIONS = 10


class Finding(NamedTuple):
    """What one rule found. `holds` is True, False, or None where the rule cannot know.

    `code` is stable, `verdict` is `complete` or `repeatable`, `place` is `slot/index.path` or empty, `says` is a sentence for people.
    """

    code: str
    verdict: str
    slot: str | None
    place: str
    holds: bool | None
    says: str


class Verdict(NamedTuple):
    """What was found of a run. `slots` gives each slot's state; `execution` is the one that was named, if one was."""

    run: Link
    execution: Link | None
    complete: bool
    repeatable: bool
    slots: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """Why the run is not complete, or not repeatable."""
        return tuple(finding for finding in self.findings if finding.holds is False)

    @property
    def unknowable(self) -> tuple[Finding, ...]:
        """What the rules cannot know."""
        return tuple(finding for finding in self.findings if finding.holds is None)


class Rule(NamedTuple):
    """A row of the table: a stable name, the verdict it speaks to, the slots it looks at, and how it looks."""

    name: str
    verdict: str
    slots: tuple[str, ...]
    find: Callable[[Rule, Composition], Iterator[Finding]]

    def says(
        self, sentence: str, *, holds: bool | None = False, slot: str | None = None, place: str = "", code: str | None = None
    ) -> Finding:
        """Return a finding of this rule."""
        return Finding(code or self.name, self.verdict, slot or (self.slots[0] if len(self.slots) == 1 else None), place, holds, sentence)


class Composition:
    """A run as the rules see it: the state of its slots, settings as maps, and contents one by one."""

    def __init__(self, checker: Checker, slots: Mapping[str, Slot]) -> None:
        self.slots = slots
        self._checker = checker

    def state(self, slot: str) -> str:
        """Return `present`, `absent`, `unknown`, or `missing` for a slot that links to what is not in the store."""
        found = self.slots.get(slot, UNKNOWN)
        if isinstance(found, SlotState):
            return found.value
        return "present" if self._checker.has(found) else "missing"

    def settings(self, slot: str) -> dict[str, Any]:
        """Return a slot's settings; empty where it is not present."""
        found = self.slots.get(slot)
        if not isinstance(found, Link) or found.kind != Kind.VALUE or not self._checker.has(found):
            return {}
        value = self._checker.value(found)
        return value if isinstance(value, dict) else {}

    def contents(self, slot: str) -> Iterator[tuple[str, Link]]:
        """Yield each value of a slot with its place: one, or the elements of a list."""
        found = self.slots.get(slot)
        if not isinstance(found, Link) or not self._checker.has(found):
            return
        if found.kind == Kind.LIST:
            yield from ((f"{slot}/{index}", link) for index, link in enumerate(elements(found, self._checker.reader.get)))
        elif found.kind == Kind.VALUE:
            yield slot, found

    def has(self, link: Link) -> bool:
        """True if an object is in the store."""
        return self._checker.has(link)

    def scan(self, link: Link, slot: str) -> Scan:
        """Return what stands inside a value."""
        return self._checker.scan(link, slot)


class Scan(NamedTuple):
    """What was found inside one value, wherever it stands."""

    references: tuple[Reference, ...]
    missing: tuple[Link, ...]
    hosted: tuple[str, ...]
    pointer: bool


class Checker:
    """Checks runs of one snapshot, and remembers what they share."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._scans: dict[tuple[bytes, str], Scan] = {}

    def check(self, run: Link, execution: Link | None = None) -> Verdict:
        """Return both verdicts on a stored run. Raises NotFound if the run is not in the store."""
        tree = self.reader.get(run.id)
        if tree.kind != Kind.TREE:
            raise Damaged(f"{run} is a {tree.link.kind.label} in the store", hint="`runstore fsck` tells the extent")
        slots = decode_tree_trusted(tree.body)
        composition = Composition(self, slots)
        findings = [finding for rule in RULES if rule.verdict == COMPLETE for finding in rule.find(rule, composition)]
        findings += self._redacted(run, execution)
        complete = all(finding.holds is not False for finding in findings)
        if not complete:
            findings.append(
                Finding("not-complete", REPEATABLE, None, "", False, "what acted on the model is not all recorded: the run is not complete")
            )
        rules = [rule for rule in RULES if rule.verdict == REPEATABLE and not (rule.name in _OF_MODELS and _is_tool(composition))]
        findings.extend(finding for rule in rules for finding in rule.find(rule, composition))
        repeatable = all(finding.holds for finding in findings if finding.verdict == REPEATABLE)
        states = {name: composition.state(name) for name in in_reading_order(slots)}
        return Verdict(run, execution, complete, repeatable, states, tuple(findings))

    def _redacted(self, run: Link, execution: Link | None) -> Iterator[Finding]:
        """Yield what was masked in the request of the execution, or of those of the run: what was sent is not what is recorded."""
        found = [self.reader.get(execution.id)] if execution is not None else islice(executions_of(self.reader, run.id), _MOST_EXECUTIONS)
        told: dict[tuple[str, str], None] = {}
        for one in found:
            told |= dict.fromkeys(redactions(decode_execution_trusted(one.body).notes))
        for at, rule in told:
            if not at.startswith(("/response/", "/execution/", "/error")):
                yield Finding(
                    "redacted", COMPLETE, None, "", False, f"a secret ({rule}) was masked at {at}: what was sent is not what is recorded"
                )

    def has(self, link: Link) -> bool:
        """True if an object is in the store."""
        return self.reader.address(link.id) is not None

    def value(self, link: Link) -> Any:
        """Return a stored value."""
        return decode_trusted(self.reader.get(link.id).body)

    def scan(self, link: Link, slot: str) -> Scan:
        """Return what stands inside a value that is in the store, and remember it."""
        key = (link.id, slot)
        if key not in self._scans:
            if len(self._scans) >= _REMEMBERED:
                self._scans.clear()
            value = self.value(link) if link.kind == Kind.VALUE else None
            missing = tuple(found for found in _links(value) if not self.has(found))
            found = tuple(references(value, slot))
            hosted = tuple(dict.fromkeys(hosted_tools(value))) if slot in ("tools", "extra") else ()
            self._scans[key] = Scan(found, missing, hosted, slot == "documents" and pointer_alone(value))
        return self._scans[key]


def redactions(notes: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return what the notes of an execution say was masked before it was recorded: (JSON pointer, name of the rule)."""
    told = (notes or {}).get("redacted")
    found = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return [(one["at"], one["rule"]) for one in found if isinstance(one.get("at"), str) and isinstance(one.get("rule"), str)]


def check(reader: Reader, run: Link, execution: Link | None = None) -> Verdict:
    """Return both verdicts on one stored run; for many runs, one `Checker` is faster. Raises NotFound."""
    return Checker(reader).check(run, execution)


# --- complete -------------------------------------------------------------------------------------------------------------------


def _states(rule: Rule, run: Composition) -> Iterator[Finding]:
    for slot in run.slots:
        if run.state(slot) == "unknown":
            yield rule.says(f"{slot} is unknown: nobody recorded it; if there was none, record it as absent", slot=slot)


def _presence(rule: Rule, run: Composition) -> Iterator[Finding]:
    for slot, found in run.slots.items():
        if isinstance(found, Link) and not run.has(found):
            yield rule.says(f"{slot} is recorded, and its content is not in this store ({found})", slot=slot, place=slot)
    for slot in _CONTENT:
        for place, link in run.contents(slot):
            missing = (link,) if not run.has(link) else run.scan(link, slot).missing
            for gone in missing:
                yield rule.says(f"{place} links to {gone}, which is not in this store", slot=slot, place=place)


def _pointers(rule: Rule, run: Composition) -> Iterator[Finding]:
    for slot in _CONTENT:
        for place, link in run.contents(slot):
            if not run.has(link):
                continue
            scan = run.scan(link, slot)
            if scan.pointer:
                yield rule.says(
                    f"{place} only names a document: its content is not recorded", slot=slot, place=place, code="document-by-name"
                )
            for reference in scan.references:
                exact = place + _path(reference.steps)
                yield rule.says(f"{exact} {reference.says}", slot=slot, place=exact, code=reference.code)


def _hosted(rule: Rule, run: Composition) -> Iterator[Finding]:
    decided = None if rule.verdict == COMPLETE else False
    for slot in rule.slots:
        for place, link in run.contents(slot):
            for name in run.scan(link, slot).hosted if run.has(link) else ():
                sentence = (
                    f"{name} runs at the provider: whether the answer quotes all that it brought cannot be known"
                    if decided is None
                    else f"{name} runs at the provider, and may bring something else next time"
                )
                yield rule.says(sentence, slot=slot, place=place, holds=decided)


def _model(rule: Rule, run: Composition) -> Iterator[Finding]:
    if run.state("model") != "present":
        return  # said by the rules about slots
    asked, served = run.settings("model"), run.settings("runtime")
    if _is_tool(run):
        yield from _function(rule, served)
        return
    name = asked.get("name")
    how = pinned(asked)
    if how is not None:
        yield rule.says(f"the model is pinned by {how}", holds=True)
        return
    version = next((served[key] for key in SERVED if is_stated(served.get(key))), None)
    if version is not None and version != name:
        yield rule.says(f"the model that answered is recorded: {str(version)[:80]}", holds=True)
    elif version is not None:
        sentence = "carries no version, and what answered is recorded under the same name: which version it was cannot be known"
        yield rule.says(f"the name {str(name)[:80]} {sentence}")
    elif run.state("runtime") == "unknown":
        yield rule.says(f"the name {str(name)[:80]} carries no version, and what answered is unknown")
    else:
        yield rule.says(f"the name {str(name)[:80]} carries no version, and the runtime states none", slot="runtime")


def _is_tool(run: Composition) -> bool:
    return run.settings("model").get("api") == "runstore.tool"


def _function(rule: Rule, served: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is recorded of the function or the server that answered a tool's call: it has no model and no weights."""
    answered = next((served[key] for key in ("function", "server") if is_stated(served.get(key))), None)
    if answered is None:
        yield rule.says("what answered this call of a tool is not recorded", slot="runtime")
        return
    yield rule.says(f"what answered this call of a tool is recorded: {str(answered)[:80]}", holds=True, slot="runtime")
    if not is_stated(served.get("version")):
        yield rule.says(f"which version of {str(answered)[:80]} answered cannot be known: none is recorded", holds=None, slot="runtime")


# --- repeatable -----------------------------------------------------------------------------------------------------------------


def _tool(rule: Rule, run: Composition) -> Iterator[Finding]:
    if _is_tool(run):
        yield rule.says("whether a tool does the same again cannot be known: what it reads and changes is not recorded", holds=None)


def _seed(rule: Rule, run: Composition) -> Iterator[Finding]:
    if run.state("parameters") == "unknown":
        yield rule.says("whether a seed was sent cannot be known: the parameters are unknown", holds=None)
    elif any(value is not None for value in _deep(run.settings("parameters"), ("seed", "random_seed"))):
        yield rule.says("a seed was sent; whether the engine obeys it cannot be known", holds=True)
    else:
        yield rule.says("no seed was sent")


def _temperature(rule: Rule, run: Composition) -> Iterator[Finding]:
    sent = run.settings("parameters")
    if run.state("parameters") == "unknown":
        yield rule.says("the temperature cannot be known: the parameters are unknown", holds=None)
    elif 0 in _numbers(_deep(sent, ("temperature",))):
        yield rule.says("the temperature is 0", holds=True)
    elif 1 in _numbers(_deep(sent, ("top_k", "topK"))) or any(value is False for value in _deep(sent, ("do_sample",))):
        yield rule.says("the most likely token is taken always", holds=True)
    elif _numbers(_deep(sent, ("temperature",))):
        yield rule.says("the temperature is not 0")
    elif 0 in _numbers(_deep(run.settings("runtime"), ("temperature",))):
        yield rule.says("the engine reported a temperature of 0", holds=True, slot="runtime")
    else:
        yield rule.says("no temperature was sent: which default applied cannot be known")


def _engine(rule: Rule, run: Composition) -> Iterator[Finding]:
    runtime = run.settings("runtime")
    engine = runtime.get("engine")
    version = engine.get("version") if isinstance(engine, dict) else runtime.get("engine_version")
    if is_stated(engine) and is_stated(version):
        yield rule.says("the engine and its version are recorded", holds=True)
    elif is_stated(engine):
        yield rule.says("the engine is recorded, its version is not")
    else:
        yield rule.says("the engine that answered is not recorded")


def _weights(rule: Rule, run: Composition) -> Iterator[Finding]:
    for slot in rule.slots:
        if any(is_stated(run.settings(slot).get(key)) for key in WEIGHTS):
            yield rule.says("a digest of the weights is recorded", slot=slot, holds=True)
            return
    yield rule.says("no digest of the weights is recorded: which ones answered cannot be proven")


RULES = (
    Rule("unknown-slot", COMPLETE, (), _states),
    Rule("missing-object", COMPLETE, (), _presence),
    Rule("by-reference", COMPLETE, _CONTENT, _pointers),
    Rule("model-version", COMPLETE, ("model",), _model),
    Rule("hosted-tool", COMPLETE, ("tools", "extra"), _hosted),
    Rule("tool-call", REPEATABLE, ("model",), _tool),
    Rule("seed", REPEATABLE, ("parameters",), _seed),
    Rule("temperature", REPEATABLE, ("parameters",), _temperature),
    Rule("engine", REPEATABLE, ("runtime",), _engine),
    Rule("weights", REPEATABLE, ("model", "runtime"), _weights),
    Rule("hosted-tool", REPEATABLE, ("tools", "extra"), _hosted),
)
"""Every rule, in the order in which findings are told."""


def _deep(settings: Mapping[str, Any], names: tuple[str, ...]) -> list[Any]:
    """Return what stands under these names at the top, and one map below it (`generationConfig`, `inferenceConfig`, `options`)."""
    below = [part for part in settings.values() if isinstance(part, dict)]
    return [part[name] for part in (settings, *below) for name in names if name in part]


def _numbers(values: list[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _links(value: Any) -> Iterator[Link]:
    stack = [value]
    while stack:
        at = stack.pop()
        if isinstance(at, Link):
            yield at
        elif isinstance(at, list):
            stack.extend(at)
        elif isinstance(at, dict):
            stack.extend(at.values())


def _path(steps: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
