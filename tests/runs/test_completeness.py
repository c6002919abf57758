"""The rules of `check`: each holds where it should, fails where it should, and says what it cannot know."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runstore.errors import NotFound
from runstore.model.ids import Kind, Link
from runstore.model.lists import elements
from runstore.model.trees import decode_tree, encode_tree
from runstore.repo import TABLES, Repo
from runstore.runs import completeness as completeness_module
from runstore.runs import references as references_module
from runstore.runs.completeness import RULES, Checker, Verdict, check
from runstore.runs.pinning import pinned
from runstore.runs.references import REFERENCES
from runstore.store.memory import MemoryStore

WHOLE: dict[str, Any] = {
    "model": {"name": "gpt-4o-2024-08-06"},
    "prompt": "You are terse.",
    "parameters": {"temperature": 0, "seed": 7},
    "documents": False,
    "tools": False,
    "history": [{"role": "user", "content": "2 + 2?"}],
    "runtime": {"model": "gpt-4o-2024-08-06"},
}
REPEATABLE: dict[str, Any] = {
    **WHOLE,
    "model": {"name": "tiny", "weights": "sha256:" + "ab" * 32},
    "runtime": {"engine": "vllm", "engine_version": "0.9.1"},
}


def new_repo() -> Repo:
    """Return a repo in memory with a clock and nonces that count."""
    ticks, nonces = count(1_769_860_800_000_000, 1_000_000), count(1)
    return Repo(MemoryStore(TABLES), actor="tester", clock=lambda: next(ticks), nonce=lambda: f"{next(nonces):032x}")


def verdict_of(slots: dict[str, Any]) -> Verdict:
    """Record a run and check it."""
    repo = new_repo()
    recorded = repo.add(slots)
    with repo.read() as reader:
        return check(reader, recorded.run, recorded.execution)


def reasons(slots: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    """Return why a run is not complete: codes, slots and places."""
    return [(reason.code, reason.slot, reason.place) for reason in verdict_of(slots).reasons if reason.verdict == "complete"]


def test_complete() -> None:
    """A run whose slots are all known, whose content is there and whose model is pinned is complete."""
    verdict = verdict_of(WHOLE)
    assert verdict.complete
    assert verdict.slots["documents"] == "absent"
    assert list(verdict.slots)[:3] == ["model", "prompt", "parameters"]


def test_repeatable() -> None:
    """With a seed, temperature 0, the engine's version and a digest of the weights, a run can be repeated."""
    verdict = verdict_of(REPEATABLE)
    assert (verdict.complete, verdict.repeatable) == (True, True)
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    ("at", "complete"),
    [
        ("/request/body/messages/0", False),
        ("/request/url", False),
        ("/response/body/id", True),
        ("/execution/notes/x", True),
        ("/error", True),
    ],
)
def test_what_was_masked(at: str, complete: bool) -> None:
    """What was masked in what was sent makes a run incomplete, named by its place; what was masked in the answer does not."""
    repo = new_repo()
    recorded = repo.add(WHOLE, notes={"redacted": [{"at": at, "rule": "github-token"}]})
    for execution in (recorded.execution, None):
        with repo.read() as reader:
            verdict = check(reader, recorded.run, execution)
        assert verdict.complete is complete
        assert [at in reason.says for reason in verdict.reasons if reason.code == "redacted"] == ([] if complete else [True])


def test_the_execution_that_was_named() -> None:
    """A verdict tells the run and the execution that were checked."""
    repo = new_repo()
    recorded = repo.add(WHOLE)
    with repo.read() as reader:
        verdict = check(reader, recorded.run, recorded.execution)
    assert (verdict.run, verdict.execution) == (recorded.run, recorded.execution)


@pytest.mark.parametrize("slot", list(WHOLE))
def test_unknown_slot(slot: str) -> None:
    """A core slot that nobody recorded makes a run incomplete, and is named."""
    verdict = verdict_of({**WHOLE, slot: None})
    assert not verdict.complete
    assert verdict.slots[slot] == "unknown"
    (reason,) = [reason for reason in verdict.reasons if reason.code == "unknown-slot"]
    assert (reason.slot, reason.verdict) == (slot, "complete")
    assert reason.says.startswith(slot)


@pytest.mark.parametrize("slot", ["documents", "tools", "history", "prompt", "parameters"])
def test_absent_slot(slot: str) -> None:
    """A slot that is known to be absent takes nothing from completeness."""
    assert verdict_of({**WHOLE, slot: False}).complete


IMAGE = "https://example.org/kiwi.png"


@pytest.mark.parametrize(
    ("slot", "content", "code", "place"),
    [
        (
            "history",
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]},
            "by-url",
            "history/0.content[0].image_url",
        ),
        ("history", {"role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]}, "by-url", "history/0.content[0].image_url"),
        (
            "history",
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": IMAGE}}]},
            "by-url",
            "history/0.content[0].source.url",
        ),
        (
            "history",
            {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_011"}}]},
            "server-file",
            "history/0.content[0].source.file_id",
        ),
        ("history", {"role": "user", "content": [{"type": "file", "file_id": "file-B"}]}, "server-file", "history/0.content[0].file_id"),
        (
            "history",
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-B"}}]},
            "server-file",
            "history/0.content[0].file.file_id",
        ),
        (
            "history",
            {"role": "user", "parts": [{"fileData": {"fileUri": "gs://b/a.wav"}}]},
            "by-url",
            "history/0.parts[0].fileData.fileUri",
        ),
        (
            "history",
            {"role": "user", "parts": [{"file_data": {"file_uri": "files/abc"}}]},
            "by-url",
            "history/0.parts[0].file_data.file_uri",
        ),
        (
            "history",
            {"role": "user", "content": [{"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}}]},
            "by-url",
            "history/0.content[0].image.source.s3Location",
        ),
        ("history", {"role": "assistant", "audio": {"id": "audio_1"}}, "server-file", "history/0.audio.id"),
        ("history", {"type": "item_reference", "id": "msg_1"}, "server-history", "history/0.id"),
        ("history", {"type": "reasoning", "id": "rs_1", "summary": []}, "server-history", "history/0.id"),
        ("history", {"type": "image_generation_call", "id": "ig_1", "result": None}, "server-history", "history/0.id"),
        ("history", {"type": "code_interpreter_call", "container_id": "cntr_1", "code": "1"}, "server-container", "history/0.container_id"),
        ("documents", {"title": "t", "file_id": "file-B"}, "server-file", "documents/0.file_id"),
        ("documents", {"type": "document_url", "document_url": "https://example.org/a.pdf"}, "by-url", "documents/0.document_url"),
        ("documents", "https://example.org/a.pdf", "document-by-name", "documents/0"),
        ("documents", {"url": "https://example.org/a", "score": 0.5}, "document-by-name", "documents/0"),
        ("documents", {"id": "doc-7"}, "document-by-name", "documents/0"),
        ("tools", {"type": "file_search", "vector_store_ids": ["vs_1"]}, "server-store", "tools/0.vector_store_ids"),
        ("tools", {"type": "mcp", "server_label": "d", "server_url": "https://mcp.example.org"}, "remote-tools", "tools/0.server_url"),
        ("tools", {"type": "code_interpreter", "container": "cntr_1"}, "server-container", "tools/0.container"),
        (
            "tools",
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}},
            "server-file",
            "tools/0.container.file_ids",
        ),
        (
            "tools",
            {"name": "f", "input_schema": {"properties": {"x": {"$ref": "https://example.org/s.json"}}}},
            "by-url",
            "tools/0.input_schema.properties.x.$ref",
        ),
        ("extra", {"previous_response_id": "resp_1"}, "server-history", "extra.previous_response_id"),
        ("extra", {"conversation": {"id": "conv_1"}}, "server-history", "extra.conversation"),
        ("extra", {"conversation": "conv_1"}, "server-history", "extra.conversation"),
        ("extra", {"cachedContent": "cachedContents/1"}, "server-cache", "extra.cachedContent"),
        ("extra", {"container": "container_1"}, "server-container", "extra.container"),
        ("extra", {"mcp_servers": [{"type": "url", "url": "https://mcp.example.org"}]}, "remote-tools", "extra.mcp_servers"),
        ("extra", {"data_sources": [{"type": "azure_search"}]}, "server-store", "extra.data_sources"),
        ("extra", {"prompt": {"id": "pmpt_1", "version": "2"}}, "server-prompt", "extra.prompt"),
        ("extra", {"assistant_id": "asst_1"}, "server-assistant", "extra.assistant_id"),
        ("parameters", {"cached_content": "cachedContents/1"}, "server-cache", "parameters.cached_content"),
        ("prompt", {"id": "pmpt_1", "variables": {}}, "server-prompt", "prompt"),
        ("output_format", {"schema": {"$ref": "https://example.org/s.json"}}, "by-url", "output_format.schema.$ref"),
    ],
)
def test_given_only_by_reference(slot: str, content: Any, code: str, place: str) -> None:
    """What is given only by URL, or by the id of something on a server, is named with its place."""
    given = [content] if slot in ("history", "documents", "tools") else content
    assert reasons({**WHOLE, slot: given}) == [(code, slot, place)]


@pytest.mark.parametrize(
    ("slot", "content"),
    [
        ("history", {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}),
        ("history", {"role": "user", "content": [{"type": "input_file", "filename": "a.mp3", "file_data": "data:audio/mpeg;base64,SUQz"}]}),
        ("history", {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": b"\x89PNG"}}]}),
        ("history", {"role": "user", "content": "see https://example.org and file_id: file-B"}),
        (
            "history",
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "get", "input": {"file_id": "f", "image_url": IMAGE}}],
            },
        ),
        ("history", {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "get", "arguments": {"file_id": "f"}}}]}),
        ("history", {"role": "model", "parts": [{"functionCall": {"name": "get", "args": {"file_uri": "gs://x/y"}}}]}),
        ("history", {"role": "user", "parts": [{"functionResponse": {"name": "get", "response": {"file_id": "f"}}}]}),
        ("history", {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {"conversation_id": "c"}}]}}]}),
        (
            "history",
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": [{"file_id": "f", "type": "file_citation"}]}],
            },
        ),
        ("history", {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}),
        ("history", {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}),
        ("history", {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": b"%PDF"}}]}),
        ("history", {"role": "assistant", "audio": {"id": "audio_1", "data": "UklG"}}),
        ("tools", {"name": "f", "input_schema": {"properties": {"file_id": {"type": "string"}, "image_url": {"default": IMAGE}}}}),
        ("tools", {"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"$ref": "#/$defs/x"}}}}}),
        ("documents", {"title": "t", "url": "https://example.org/a", "text": "what it says"}),
        ("documents", {"id": "doc-7", "data": {"text": "what it says"}}),
        ("documents", "read https://example.org/a for more"),
        ("documents", b"%PDF"),
        ("documents", {"metadata": {"url": "https://example.org/a"}, "page_content": "x"}),
        ("extra", {"conversation": None, "previous_response_id": None, "container": None}),
        ("prompt", [{"role": "system", "content": "x", "id": "m"}]),
    ],
)
def test_what_is_content(slot: str, content: Any) -> None:
    """Data URLs, blobs, text that mentions a URL, arguments of tool calls, schemas and citations are no references."""
    given = [content] if slot in ("history", "documents", "tools") else content
    assert reasons({**WHOLE, slot: given}) == []


def test_every_reference_in_a_long_history_is_named() -> None:
    """Each message that points elsewhere is named by its position."""
    history = [
        {"role": "user", "content": [{"type": "image_url", "image_url": f"https://example.org/{at}"}] if at % 40 == 7 else "x"}
        for at in range(200)
    ]
    assert [place for _, _, place in reasons({**WHOLE, "history": history})] == [
        f"history/{at}.content[0].image_url" for at in (7, 47, 87, 127, 167)
    ]


def test_content_that_is_not_in_the_store() -> None:
    """A slot, an element or a blob that is not in the store makes a run incomplete, and is named."""
    repo = new_repo()
    recorded = repo.add(WHOLE)
    gone = Link(Kind.BLOB, b"\x07" * 32)
    with repo.store.write() as writer:
        from runstore.model.encoding import encode
        from runstore.model.ids import make_object
        from runstore.model.lists import build

        message = make_object(Kind.VALUE, encode({"file": gone}).body)
        history = build([message.link, Link(Kind.VALUE, b"\x08" * 32)])
        slots = {**decode_tree(writer.get(recorded.run.id).body), "history": history.root, "prompt": Link(Kind.VALUE, b"\x09" * 32)}
        tree = encode_tree(slots)
        writer.put([message, *history.nodes, tree])
    with repo.read() as reader:
        verdict = check(reader, tree.link)
    assert [(reason.code, reason.place) for reason in verdict.reasons if reason.verdict == "complete"] == [
        ("missing-object", "prompt"),
        ("missing-object", "history/0"),
        ("missing-object", "history/1"),
    ]
    assert verdict.slots["prompt"] == "missing"


def test_a_run_that_is_not_here() -> None:
    """A run that is not in the store cannot be checked."""
    with new_repo().read() as reader, pytest.raises(NotFound):
        check(reader, Link(Kind.TREE, bytes(32)))


@pytest.mark.parametrize(
    "model",
    [
        {"name": "gpt-4o-2024-08-06"},
        {"name": "openai/gpt-4o-mini-2024-07-18"},
        {"name": "ft:gpt-4o-mini-2024-07-18:org::AbC123"},
        {"name": "claude-3-5-sonnet-20241022"},
        {"name": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"name": "claude-3-5-sonnet@20240620"},
        {"name": "us.amazon.nova-lite-v1:0"},
        {"name": "gpt-4-0613"},
        {"name": "gpt-4-1106-preview"},
        {"name": "gpt-3.5-turbo-16k-0613"},
        {"name": "mistral-large-2407"},
        {"name": "command-r-08-2024"},
        {"name": "gemini-1.5-pro-002"},
        {"name": "gemini-2.5-flash-preview-05-20"},
        {"name": "llama3@sha256:0123456789abcdef"},
        {"name": "meta-llama/Llama-3-8B@5f0b02c75b57c5855da9ae460ce51323ea669d8a"},
        {"name": "tiny", "version": "3"},
        {"name": "tiny", "weights": "sha256:00"},
        {"name": "tiny", "digest": "sha256:00"},
    ],
)
def test_pinned(model: dict[str, Any]) -> None:
    """A version, a digest or a date in the name pins a model."""
    assert pinned(model) is not None
    assert verdict_of({**WHOLE, "model": model, "runtime": False}).complete


@pytest.mark.parametrize(
    "model",
    [
        {"name": "gpt-4o"},
        {"name": "gpt-4o-latest"},
        {"name": "claude-3-5-sonnet-latest"},
        {"name": "gemini-2.5-flash"},
        {"name": "llama-3-8b"},
        {"name": "gemma3:1b"},
        {"name": "gpt-4-32k"},
        {"name": "mixtral-8x7b-32768"},
        {"name": "tiny", "version": "latest"},
        {"name": "tiny", "version": ""},
        {"api": "openai.chat"},
    ],
)
def test_not_pinned(model: dict[str, Any]) -> None:
    """A name that can move does not pin a model: with a runtime that states no version, the run is incomplete."""
    assert pinned(model) is None
    assert [code for code, _, _ in reasons({**WHOLE, "model": model, "runtime": False})] == ["model-version"]


@pytest.mark.parametrize(
    "runtime", [{"model": "gpt-4o-2024-08-06"}, {"version": "2024-08-06"}, {"modelVersion": "x-1"}, {"weights": "sha256:00"}]
)
def test_served_version(runtime: dict[str, Any]) -> None:
    """A version that answered makes good a name that can move."""
    assert verdict_of({**WHOLE, "model": {"name": "gpt-4o"}, "runtime": runtime}).complete


def test_served_under_the_same_name() -> None:
    """Where what answered goes by the same unversioned name, the rule says that it cannot know which version it was."""
    verdict = verdict_of({**WHOLE, "model": {"name": "llama3"}, "runtime": {"model": "llama3"}})
    (reason,) = [reason for reason in verdict.reasons if reason.verdict == "complete"]
    assert "cannot be known" in reason.says


@pytest.mark.parametrize(
    "tool", [{"type": "web_search_preview"}, {"type": "web_search_20250305", "name": "web_search"}, {"googleSearch": {}}]
)
def test_hosted_tool(tool: dict[str, Any]) -> None:
    """A tool that runs at the provider decides nothing about completeness, and is said to be beyond knowing; it cannot be repeated."""
    verdict = verdict_of({**REPEATABLE, "tools": [tool]})
    assert (verdict.complete, verdict.repeatable) == (True, False)
    (unknowable,) = verdict.unknowable
    assert (unknowable.code, unknowable.place, unknowable.verdict) == ("hosted-tool", "tools/0", "complete")
    assert "cannot be known" in unknowable.says


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parameters": {"temperature": 0}}, "seed"),
        ({"parameters": {"temperature": 0, "seed": None}}, "seed"),
        ({"parameters": {"seed": 7, "temperature": 0.2}}, "temperature"),
        ({"parameters": {"seed": 7}}, "temperature"),
        ({"parameters": {"seed": 7, "temperature": False}}, "temperature"),
        ({"runtime": {"engine": "vllm"}}, "engine"),
        ({"runtime": {"engine_version": "1"}}, "engine"),
        ({"model": {"name": "gpt-4o-2024-08-06"}}, "weights"),
    ],
)
def test_not_repeatable(changes: dict[str, Any], code: str) -> None:
    """Each thing that repeating needs is missed by its name, and completeness is not touched."""
    verdict = verdict_of({**REPEATABLE, **changes})
    assert (verdict.complete, verdict.repeatable) == (True, False)
    assert [reason.code for reason in verdict.reasons] == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"generationConfig": {"temperature": 0, "seed": 7}}},
        {"parameters": {"options": {"temperature": 0.0, "seed": 0}}},
        {"parameters": {"top_k": 1, "random_seed": 7, "temperature": 1}},
        {"parameters": {"do_sample": False, "seed": 1}},
        {"parameters": {"seed": 1}, "runtime": {"engine": {"name": "vllm", "version": "1"}, "temperature": 0}},
        {"model": {"name": "gpt-4o-2024-08-06"}, "runtime": {"engine": "x", "engine_version": "1", "weights": "sha256:00"}},
    ],
)
def test_other_ways_to_be_repeatable(changes: dict[str, Any]) -> None:
    """Seeds, temperatures, engines and weights are found where other APIs state them."""
    assert verdict_of({**REPEATABLE, **changes}).repeatable


def test_what_is_not_complete_is_not_repeatable() -> None:
    """A run that is not complete cannot be repeated, and that reason stands before the others."""
    verdict = verdict_of({**REPEATABLE, "documents": None})
    assert not verdict.repeatable
    assert [reason.code for reason in verdict.reasons] == ["unknown-slot", "not-complete"]


def test_unknown_parameters_cannot_be_judged() -> None:
    """Of parameters that nobody recorded, the advice says that it cannot know."""
    verdict = verdict_of({**REPEATABLE, "parameters": None})
    assert {finding.code for finding in verdict.unknowable} == {"seed", "temperature"}
    assert not verdict.repeatable


def test_a_checker_remembers_what_runs_share() -> None:
    """Checking a thousand turns reads each message once."""
    repo = new_repo()
    history: list[dict[str, str]] = []
    recorded = []
    for number in range(40):
        history.append({"role": "user", "content": f"question {number}"})
        recorded.append(repo.add({**WHOLE, "history": list(history)}))
    read: list[bytes] = []

    class Counting:
        def __init__(self, reader: Any) -> None:
            self._reader = reader

        def get(self, id: bytes) -> Any:
            obj = self._reader.get(id)
            if obj.kind == Kind.VALUE:
                read.append(id)
            return obj

        def __getattr__(self, name: str) -> Any:
            return getattr(self._reader, name)

    with repo.read() as reader:
        counting: Any = Counting(reader)
        checker = Checker(counting)
        assert all(checker.check(each.run).complete for each in recorded)
        slots = decode_tree(reader.get(recorded[-1].run.id).body)
        messages = {link.id for link in elements(Link(Kind.LIST, slots["history"].id), reader.get)}  # type: ignore[union-attr]
    assert sum(each in messages for each in read) == len(messages) == 40


def test_rules_are_told_once() -> None:
    """Every rule has a name of its own within a verdict, and every finding says something."""
    assert len({(rule.name, rule.verdict) for rule in RULES}) == len(RULES)
    for finding in verdict_of({**WHOLE, "documents": None}).findings:
        assert finding.says
        assert finding.code


def test_every_code_is_documented() -> None:
    """The page about `check` names every code that a finding can carry."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "check-a-run.md").read_text(encoding="utf-8")
    source = (Path(references_module.__file__).read_text(encoding="utf-8"), Path(completeness_module.__file__).read_text(encoding="utf-8"))
    codes = {rule.name for rule in RULES} - {"by-reference"} | {rule.code for rule in REFERENCES}
    codes |= {code for text in source for code in re.findall(r'"((?:by|server|document|remote|not)-[a-z-]+)"', text)} - {"by-reference"}
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


@pytest.mark.parametrize(
    ("runtime", "complete"), [({"function": "desk.lend"}, True), ({"server": "library", "version": "2"}, True), ({}, False)]
)
def test_the_call_of_a_tool(runtime: dict[str, Any], complete: bool) -> None:
    """A tool's call is complete when what answered it is named; rules about models say nothing of it, and it is never called repeatable."""
    slots = {**WHOLE, "model": {"api": "runstore.tool", "name": "lend"}, "prompt": False, "parameters": False, "runtime": runtime}
    found = verdict_of(slots)
    assert (found.complete, found.repeatable) == (complete, False)
    assert {finding.code for finding in found.findings} <= {"model-version", "tool-call", "not-complete"}
    unknowable = [finding.code for finding in found.unknowable]
    assert unknowable == (["model-version", "tool-call"] if "function" in runtime else ["tool-call"])
