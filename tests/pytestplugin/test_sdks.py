"""The SDKs as they are: recorded through the plugin against a provider, answered by it without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pytestplugin.conftest import Project
from tests.reproduce.calls import completion
from tests.reproduce.provider import provider

pytest.importorskip("openai", reason="openai is not installed")
pytest.importorskip("anthropic", reason="anthropic is not installed")

TESTS = """
import asyncio, os
import anthropic, openai

USER = [{"role": "user", "content": "hello you there"}]
CHAT = {"model": "gpt-4o", "messages": USER}
MESSAGE = {"model": "claude-4", "max_tokens": 9, "system": "Be kind.", "messages": USER}
SAID = "You said: hello you there"

def given(kind, path=""):
    return kind(base_url=os.environ["LLM"] + path, api_key="sk-secret")

def text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

def test_openai():
    with given(openai.OpenAI, "/v1") as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content == SAID
        assert text(client.chat.completions.create(stream=True, **CHAT)) == SAID
        assert client.responses.create(model="gpt-4o", input="hello you there").output_text == SAID

def test_openai_async():
    async def main():
        async with given(openai.AsyncOpenAI, "/v1") as client:
            chunks = [chunk async for chunk in await client.chat.completions.create(stream=True, **CHAT)]
            return text(chunks), (await client.chat.completions.create(**CHAT)).choices[0].message.content
    assert asyncio.run(main()) == (SAID, SAID)

def test_anthropic():
    with given(anthropic.Anthropic) as client:
        assert client.messages.create(**MESSAGE).content[0].text == SAID
        with client.messages.stream(**MESSAGE) as stream:
            assert "".join(stream.text_stream) == SAID

def test_anthropic_async():
    async def main():
        async with given(anthropic.AsyncAnthropic) as client:
            return (await client.messages.create(**MESSAGE)).content[0].text
    assert asyncio.run(main()) == SAID

def test_tools():
    tools = [{"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}]
    with given(openai.OpenAI, "/v1") as client:
        asked = {"model": "gpt-tool", "messages": USER, "tools": tools}
        message = client.chat.completions.create(**asked).choices[0].message
        call = message.tool_calls[0]
        assert call.function.name == "book"
        asked["messages"] = [*USER, message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "done"}]
        assert client.chat.completions.create(**asked).choices[0].message.content
"""


def test_the_sdks_are_recorded_and_answered(project: Project) -> None:
    """OpenAI's and Anthropic's libraries, sync and async, in one piece, streamed and with tools: the same tests pass with nothing sent."""
    project.write(TESTS)
    project.record(passed=5)
    assert b"sk-secret" not in project.file.read_bytes()
    project.replay(passed=5)
    assert project.recorded() == {"test_anthropic": 2, "test_anthropic_async": 1, "test_openai": 3, "test_openai_async": 2, "test_tools": 2}


def test_a_miss_ends_a_test_at_once(project: Project) -> None:
    """An SDK that tries again and wraps errors does neither with a miss: the test has failed by then."""
    project.write(TESTS.replace("def test_openai():\n", 'def test_openai(monkeypatch):\n    monkeypatch.setattr("time.sleep", None)\n'))
    done = project.replay("-k", "test_openai and not async", failed=1, deselected=4)
    done.stdout.fnmatch_lines(["not recorded: there is no tests/recordings/test_it.runs"])
    done.stdout.no_fnmatch_line("*During handling*")


def answers(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Answer as a provider that gives each answer and each tool call an id that it never gave before."""
    if body["messages"][-1]["role"] == "tool":
        return completion("Done.", id=f"chatcmpl-{number}")
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "book", "arguments": '{"id": 7}'}}
    return completion(id=f"chatcmpl-{number}", tool_calls=[call])


def test_ids_of_answers_and_tool_calls_are_no_change(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording anew from a provider that gives everything another id leaves the file as it is, and what was kept is answered."""
    project.write(TESTS)
    with provider(answers) as other:
        url = other.url.removesuffix("/v1")
        monkeypatch.setenv("LLM", url)
        project.reachable.add(url)
        kept = []
        for _ in range(2):
            project.record("-k", "tools", passed=1, deselected=4)
            kept.append(project.file.read_bytes())
        assert len(other.bodies) == 4
        assert other.bodies[1] != other.bodies[3]
    assert kept[0] == kept[1]
    project.replay("-k", "tools", passed=1, deselected=4)
