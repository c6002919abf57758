"""The SDKs that people use, as they are installed, against the fake provider: what is recorded is what was sent.

A new version of an SDK that goes another way than the tap sees fails here. They come with the extra `test-sdks`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.fake.server import Provider
from tests.capture.recordings import executions, journalled

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]

QUESTION = [{"role": "user", "content": "Is it open?"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A fake provider."""
    with Provider() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store that this process records into, and nothing served before."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY", "CO_API_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "planted-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    provider.served.clear()
    place = tmp_path / "store"
    runstore.instrument(place, background=False)
    yield place
    runstore.uninstrument()


def needs(module: str) -> Any:
    """Import a module, or skip."""
    return pytest.importorskip(module, reason=f"{module} is not installed: pip install 'runstore[test-sdks]'")


def assert_recorded(store: Path, provider: Provider, calls: int) -> None:
    """Each call is there once: the bytes sent and received as they were, and an answer that the codec understood to its end."""
    waiting = journalled(store)  # nothing, where the calls were replayed
    assert not waiting or sorted(waiting) == sorted((served.received, served.sent) for served in provider.served)
    found = executions(store)
    assert len(found) == calls
    assert sorted(one.sent for one in found) == sorted(served.received for served in provider.served)
    assert [one.status for one in found] == ["ok"] * calls
    assert all(one.output for one in found)


def both(answer: Callable[[], Any], awaited: Callable[[], Awaitable[Any]]) -> None:
    """Call one way and the other."""
    answer()

    async def run() -> None:
        await awaited()

    asyncio.run(run())


def test_openai(store: Path, provider: Provider) -> None:
    """Chat, responses, completions and embeddings; in one piece and streamed; blocking and awaiting."""
    openai = needs("openai")
    url = provider.url + "/v1"

    def blocking() -> None:
        with openai.OpenAI(base_url=url) as client:
            client.chat.completions.create(model="gpt-x", messages=QUESTION, temperature=1.0)
            assert [chunk.id for chunk in client.chat.completions.create(model="gpt-x", messages=QUESTION, stream=True)]
            client.responses.create(model="gpt-x", input="Is it open?")
            with client.responses.stream(model="gpt-x", input="Is it open?") as stream:
                assert stream.get_final_response().output_text
            client.completions.create(model="gpt-x", prompt="Once")
            client.embeddings.create(model="embed-x", input=["Is it open?"])

    async def awaiting() -> None:
        async with openai.AsyncOpenAI(base_url=url) as client:
            await client.chat.completions.create(model="gpt-x", messages=QUESTION)
            async for chunk in await client.chat.completions.create(model="gpt-x", messages=QUESTION, stream=True):
                assert chunk.id
            async for event in await client.responses.create(model="gpt-x", input="Is it open?", stream=True):
                assert event.type

    both(blocking, awaiting)
    assert_recorded(store, provider, 9)


def test_openai_on_azure(store: Path, provider: Provider) -> None:
    """The deployment in the path is the model where the body names none."""
    openai = needs("openai")
    with openai.AzureOpenAI(azure_endpoint=provider.url, api_version="2024-10-21", api_key="planted-key") as client:
        client.chat.completions.create(model="gpt-x", messages=QUESTION)
    assert_recorded(store, provider, 1)


def test_openai_with_a_client_of_ones_own(tmp_path: Path, provider: Provider) -> None:
    """A client from `runstore.client()` records, and nothing is patched."""
    openai = needs("openai")
    library = "httpx2" if issubclass(openai.DefaultHttpxClient, _class("httpx2", "Client")) else "httpx"
    provider.served.clear()
    client = openai.OpenAI(base_url=provider.url + "/v1", api_key="k", http_client=runstore.client(tmp_path / "store", library=library))
    client.chat.completions.create(model="gpt-x", messages=QUESTION)
    assert_recorded(tmp_path / "store", provider, 1)
    client.close()


def _class(module: str, name: str) -> type:
    try:
        found: type = getattr(__import__(module), name)
    except ImportError:
        return str  # nothing is one
    return found


def test_anthropic(store: Path, provider: Provider) -> None:
    """Messages in one piece and streamed."""
    anthropic = needs("anthropic")
    asked: dict[str, Any] = {"model": "claude-x", "max_tokens": 50, "messages": QUESTION}

    def blocking() -> None:
        with anthropic.Anthropic(base_url=provider.url) as client:
            client.messages.create(**asked)
            with client.messages.stream(**asked) as stream:
                assert "".join(stream.text_stream)
            assert list(client.messages.create(**asked, stream=True))

    async def awaiting() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url) as client:
            await client.messages.create(**asked)
            async with client.messages.stream(**asked) as stream:
                assert await stream.get_final_text()

    both(blocking, awaiting)
    assert_recorded(store, provider, 5)


def test_google_genai(store: Path, provider: Provider) -> None:
    """Contents in one piece and streamed; the awaiting client is given one of httpx, where aiohttp would be taken."""
    genai = needs("google.genai")
    httpx = needs("httpx")
    asked: dict[str, Any] = {"model": "gemini-x", "contents": "Is it open?"}

    def blocking() -> None:
        with genai.Client(api_key="planted-key", http_options={"base_url": provider.url}) as client:
            client.models.generate_content(**asked)
            assert list(client.models.generate_content_stream(**asked))

    async def awaiting() -> None:
        async with httpx.AsyncClient() as own:
            options = {"base_url": provider.url, "httpx_async_client": own}
            client = genai.Client(api_key="planted-key", http_options=options)
            await client.aio.models.generate_content(**asked)
            async for chunk in await client.aio.models.generate_content_stream(**asked):
                assert chunk.candidates

    both(blocking, awaiting)
    assert_recorded(store, provider, 4)


def test_mistral(store: Path, provider: Provider) -> None:
    """Chat completions in one piece and streamed."""
    client = needs("mistralai.client").Mistral(api_key="planted-key", server_url=provider.url)

    def blocking() -> None:
        client.chat.complete(model="mistral-x", messages=QUESTION)
        assert list(client.chat.stream(model="mistral-x", messages=QUESTION))

    async def awaiting() -> None:
        await client.chat.complete_async(model="mistral-x", messages=QUESTION)
        async for event in await client.chat.stream_async(model="mistral-x", messages=QUESTION):
            assert event.data

    both(blocking, awaiting)
    assert_recorded(store, provider, 4)


def test_cohere(store: Path, provider: Provider) -> None:
    """Chat of the second version, in one piece and streamed."""
    cohere = needs("cohere")

    def blocking() -> None:
        client = cohere.ClientV2(base_url=provider.url)
        client.chat(model="command-x", messages=QUESTION)
        assert list(client.chat_stream(model="command-x", messages=QUESTION))

    async def awaiting() -> None:
        client = cohere.AsyncClientV2(base_url=provider.url)
        await client.chat(model="command-x", messages=QUESTION)
        async for event in client.chat_stream(model="command-x", messages=QUESTION):
            assert event.type

    both(blocking, awaiting)
    assert_recorded(store, provider, 4)


def test_ollama(store: Path, provider: Provider) -> None:
    """Chat and generate, in one piece and streamed."""
    ollama = needs("ollama")

    def blocking() -> None:
        client = ollama.Client(provider.url)
        client.chat("llama-x", messages=QUESTION)
        assert list(client.chat("llama-x", messages=QUESTION, stream=True))
        client.generate("llama-x", "Is it open?")

    async def awaiting() -> None:
        client = ollama.AsyncClient(provider.url)
        await client.chat("llama-x", messages=QUESTION)
        async for part in await client.chat("llama-x", messages=QUESTION, stream=True):
            assert part.message

    both(blocking, awaiting)
    assert_recorded(store, provider, 5)


def test_litellm(store: Path, provider: Provider) -> None:
    """Completions of two providers, in one piece and streamed."""
    litellm = needs("litellm")
    asked: dict[str, Any] = {"model": "openai/gpt-x", "messages": QUESTION, "api_base": provider.url + "/v1", "api_key": "planted-key"}
    other: dict[str, Any] = {"model": "anthropic/claude-x", "messages": QUESTION, "api_base": provider.url, "api_key": "planted-key"}

    def blocking() -> None:
        litellm.completion(**asked)
        assert list(litellm.completion(**asked, stream=True))
        litellm.completion(**other)

    async def awaiting() -> None:
        await litellm.acompletion(**asked)
        async for chunk in await litellm.acompletion(**asked, stream=True):
            assert chunk.id

    both(blocking, awaiting)
    assert_recorded(store, provider, 5)


def test_langchain_openai(store: Path, provider: Provider) -> None:
    """A chat model of LangChain, invoked and streamed."""
    model = needs("langchain_openai").ChatOpenAI(model="gpt-x", base_url=provider.url + "/v1", api_key="planted-key")

    def blocking() -> None:
        model.invoke("Is it open?")
        assert list(model.stream("Is it open?"))

    async def awaiting() -> None:
        await model.ainvoke("Is it open?")
        async for chunk in model.astream("Is it open?"):
            assert chunk is not None

    both(blocking, awaiting)
    assert_recorded(store, provider, 4)


def test_pydantic_ai(store: Path, provider: Provider) -> None:
    """An agent with a tool: two calls a question."""
    models, providers = needs("pydantic_ai.models.openai"), needs("pydantic_ai.providers.openai")
    through = providers.OpenAIProvider(base_url=provider.url + "/v1", api_key="planted-key")

    def opening_hours() -> str:
        """Say when the library is open."""
        return "nine to five"

    agent = needs("pydantic_ai").Agent(models.OpenAIChatModel("gpt-tool", provider=through), tools=[opening_hours])
    assert "nine to five" in str(agent.run_sync("Is it open?").output)
    assert_recorded(store, provider, 2)


def test_openai_agents(store: Path, provider: Provider) -> None:
    """An agent with a tool, over the responses API."""
    agents = needs("agents")
    openai = needs("openai")

    def opening_hours() -> str:
        """Say when the library is open."""
        return "nine to five"

    async def awaiting() -> None:
        async with openai.AsyncOpenAI(base_url=provider.url + "/v1", api_key="planted-key") as client:
            model = agents.OpenAIResponsesModel("gpt-tool", openai_client=client)
            agent = agents.Agent("librarian", instructions="Be kind.", model=model, tools=[agents.function_tool(opening_hours)])
            result = await agents.Runner.run(agent, "Is it open?", run_config=agents.RunConfig(tracing_disabled=True))
            assert "nine to five" in str(result.final_output)

    asyncio.run(awaiting())
    assert_recorded(store, provider, 2)


def test_llm(store: Path, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of `llm` that is reached through its OpenAI plugin."""
    needs("llm")
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    model = needs("llm.default_plugins.openai_models").Chat("gpt-x", api_base=provider.url + "/v1", key="planted-key")
    assert model.prompt("Is it open?", stream=False).text()
    assert "".join(model.prompt("Is it open?", stream=True))
    assert_recorded(store, provider, 2)


def test_boto3(store: Path, provider: Provider) -> None:
    """Bedrock converse and invoke, in one piece and streamed."""
    boto3 = needs("boto3")
    client = boto3.client("bedrock-runtime", endpoint_url=provider.url)
    asked: dict[str, Any] = {"modelId": "nova-x", "messages": [{"role": "user", "content": [{"text": "Is it open?"}]}]}
    client.converse(**asked)
    assert [event for event in client.converse_stream(**asked)["stream"] if "messageStop" in event]
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": QUESTION})
    assert client.invoke_model(modelId="anthropic.claude-x", body=body)["body"].read()
    assert list(client.invoke_model_with_response_stream(modelId="anthropic.claude-x", body=body)["body"])
    assert_recorded(store, provider, 4)


def test_no_key_is_recorded(store: Path, provider: Provider) -> None:
    """What an SDK sends to say who asks is nowhere in the files of the store."""
    openai = needs("openai")
    with openai.OpenAI(base_url=provider.url + "/v1") as client:
        client.chat.completions.create(model="gpt-x", messages=QUESTION)
    assert_recorded(store, provider, 1)
    for directory, _, names in os.walk(store):
        for name in names:
            assert b"planted" not in Path(directory, name).read_bytes()
