"""The real SDKs, made to send a recorded request and to say what they understood of the answer.

An SDK is called with a question of its own; what goes out is the recorded request in its place. So its parsing, and its reading of
streams, are the SDK's own, whatever the request holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from runstore.capture.codecs.urls import VERSION_HEADERS

QUESTION = [{"role": "user", "content": "Is it open?"}]
KEY = "no-key"


class Sent(NamedTuple):
    """A request: what is put in the place of the SDK's own."""

    url: str
    headers: dict[str, str]
    body: bytes


class Said(NamedTuple):
    """What an SDK understood: the texts, joined, and the tools called with their arguments."""

    text: str
    calls: tuple[tuple[str, str], ...] = ()


Ask = Callable[[bool], Said]


def in_form(api: str, sent: Sent, *, streamed: bool) -> Sent:
    """Return a request that asks for its answer as a stream, or in one piece."""
    path = urlsplit(sent.url)
    if api == "gemini.generate":
        base = path.path.rpartition(":")[0]
        made = path._replace(
            path=base + (":streamGenerateContent" if streamed else ":generateContent"), query="alt=sse" if streamed else ""
        )
        return sent._replace(url=urlunsplit(made))
    if api.startswith("bedrock."):
        base = path.path.rpartition("/")[0]
        names = {"bedrock.converse": ("converse", "converse-stream"), "bedrock.invoke": ("invoke", "invoke-with-response-stream")}
        return sent._replace(url=urlunsplit(path._replace(path=f"{base}/{names[api][streamed]}")))
    try:
        body = json.loads(sent.body)
    except ValueError:
        return sent
    if streamed or api.startswith("ollama."):
        body["stream"] = streamed
    else:
        body.pop("stream", None)
    return sent._replace(body=json.dumps(body).encode())


_about: list[Sent] = []
"""The request that goes out next: clients are made once, since making one costs more than a call."""


def ask(api: str, sent: Sent, *, streamed: bool) -> Said:
    """Let the SDK of an API send a request, and return what it understood."""
    _about[:] = [in_form(api, sent, streamed=streamed)]
    return SDKS[api][1](streamed)


def _hook(module: Any) -> Callable[[Any], None]:
    """Return a hook of httpx that puts a request in the place of the one that is about to go out."""

    def replace(request: Any) -> None:
        sent = _about[0]
        versions = {name: value for name, value in sent.headers.items() if name.lower() in VERSION_HEADERS}
        for name in VERSION_HEADERS:
            request.headers.pop(name, None)
        request.headers.update(versions)
        request.url = module.URL(sent.url)
        request.headers["host"] = request.url.netloc.decode()
        request.headers["content-length"] = str(len(sent.body))
        request.stream = module.ByteStream(sent.body)
        request._content = sent.body

    return replace


@cache
def _client(library: str) -> Any:
    module = sdk(library)
    return module.Client(event_hooks={"request": [_hook(module)]})


def sdk(name: str) -> Any:
    """Import an SDK."""
    return import_module(name)


def _library(module: Any) -> str:
    return str(module.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])


@cache
def _openai() -> Any:
    openai = sdk("openai")

    return openai.OpenAI(api_key=KEY, base_url="http://service.test/v1", http_client=_client(_library(openai)), max_retries=0)


def _calls(found: Iterable[tuple[str | None, Any]]) -> tuple[tuple[str, str], ...]:
    """Return calls with their arguments written one way, whether they came as text or read."""
    told = []
    for name, arguments in found:
        try:
            read = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            read = arguments
        told.append((name or "", json.dumps(read or {}, sort_keys=True)))
    return tuple(told)


def _chunks(chunks: Iterable[Any], delta: Callable[[Any], Any]) -> Said:
    """Put the chunks of a chat together."""
    texts: dict[int, str] = {}
    calls: dict[tuple[int, int], list[str]] = {}
    for chunk in chunks:
        for choice in delta(chunk).choices or ():
            said = choice.delta
            texts[choice.index] = texts.get(choice.index, "") + _text(said.content if said else None)
            for number, call in enumerate((said and said.tool_calls) or ()):
                at = call.index if call.index is not None else number
                arguments = call.function.arguments
                place = calls.setdefault((choice.index, at), ["", ""])
                place[0] = call.function.name or place[0]
                place[1] += arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
    return Said("".join(texts[at] for at in sorted(texts)), _calls((name, arguments) for name, arguments in calls.values()))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(getattr(part, "text", None) or "" for part in content or ())


def _message(choices: Iterable[Any]) -> Said:
    messages = [choice.message for choice in choices if choice.message is not None]
    calls = [call for message in messages for call in message.tool_calls or () if getattr(call, "function", None)]
    return Said(
        "".join(_text(message.content) for message in messages), _calls((one.function.name, one.function.arguments) for one in calls)
    )


def openai_chat(streamed: bool) -> Said:
    """Chat completions."""
    client = _openai()
    if not streamed:
        return _message(client.chat.completions.create(model="x", messages=QUESTION).choices)
    return _chunks(client.chat.completions.create(model="x", messages=QUESTION, stream=True), lambda chunk: chunk)


def openai_completions(streamed: bool) -> Said:
    """Completions."""
    client = _openai()
    if not streamed:
        return Said("".join(choice.text for choice in client.completions.create(model="x", prompt="x").choices))
    chunks = client.completions.create(model="x", prompt="x", stream=True)
    texts: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.text or "")
    return Said("".join(texts[at] for at in sorted(texts)))


def openai_responses(streamed: bool) -> Said:
    """Responses; of a stream the texts of its deltas have to be those of the whole at its end."""
    client = _openai()
    if not streamed:
        return _response(client.responses.create(model="x", input="x"))
    texts: list[str] = []
    with client.responses.stream(model="x", input="x") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
            elif event.type in ("response.completed", "response.incomplete"):
                last = event.response
    said = _response(last)
    assert "".join(texts) == said.text, (texts, said)
    return said


def _response(response: Any) -> Said:
    calls = [(one.name, one.arguments) for one in response.output if one.type == "function_call"]
    return Said(response.output_text, _calls(calls))


def anthropic_messages(streamed: bool) -> Said:
    """Messages."""
    client = _anthropic()
    asked: dict[str, Any] = {"model": "x", "max_tokens": 9, "messages": QUESTION}
    if not streamed:
        return _blocks(client.messages.create(**asked))
    with client.messages.stream(**asked) as stream:
        texts = "".join(stream.text_stream)
        said = _blocks(stream.get_final_message())
    assert texts == said.text
    return said


@cache
def _anthropic() -> Any:
    anthropic = sdk("anthropic")

    return anthropic.Anthropic(api_key=KEY, http_client=_client(_library(anthropic)), max_retries=0)


def _blocks(message: Any) -> Said:
    texts = [block.text for block in message.content if block.type == "text"]
    return Said("".join(texts), _calls((one.name, one.input) for one in message.content if one.type in ("tool_use", "server_tool_use")))


def gemini(streamed: bool) -> Said:
    """Contents, from the Gemini API and from Vertex."""
    client = _genai(urlsplit(_about[0].url).hostname != "generativelanguage.googleapis.com")
    if streamed:
        responses = list(client.models.generate_content_stream(model="x", contents="x"))
    else:
        responses = [client.models.generate_content(model="x", contents="x")]
    parts = [
        part
        for response in responses
        for candidate in response.candidates or ()
        for part in (candidate.content and candidate.content.parts) or ()
    ]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    return Said("".join(part.text for part in parts if part.text and not part.thought), _calls(calls))


@cache
def _genai(vertex: bool) -> Any:
    genai = sdk("google.genai")

    return genai.Client(vertexai=vertex, api_key=KEY, http_options={"httpx_client": _client("httpx")})


def mistral(streamed: bool) -> Said:
    """Mistral's chat completions."""
    client = sdk("mistralai.client").Mistral(api_key=KEY, client=_client("httpx"))
    if not streamed:
        return _message(client.chat.complete(model="x", messages=QUESTION).choices)
    return _chunks(client.chat.stream(model="x", messages=QUESTION), lambda event: event.data)


def cohere_2(streamed: bool) -> Said:
    """Cohere's second chat API."""
    cohere = sdk("cohere")

    client = cohere.ClientV2(KEY, httpx_client=_client("httpx"))
    if not streamed:
        message = client.chat(model="x", messages=QUESTION).message
        return Said(_text(message.content), _calls((one.function.name, one.function.arguments) for one in message.tool_calls or ()))
    texts: list[str] = []
    calls: dict[int, list[str]] = {}
    for event in client.chat_stream(model="x", messages=QUESTION):
        if event.type == "content-delta":
            texts.append(event.delta.message.content.text or "")
        elif event.type in ("tool-call-start", "tool-call-delta"):
            function = event.delta.message.tool_calls.function
            place = calls.setdefault(event.index, ["", ""])
            place[0] += getattr(function, "name", None) or ""
            place[1] += function.arguments or ""
    return Said("".join(texts), _calls((name, arguments) for name, arguments in calls.values()))


def cohere_1(streamed: bool) -> Said:
    """Cohere's first chat API; of a stream the texts have to be that of the whole at its end."""
    cohere = sdk("cohere")

    client = cohere.Client(KEY, httpx_client=_client("httpx"))
    if not streamed:
        whole = client.chat(message="x")
        return Said(whole.text, _calls((one.name, one.parameters) for one in whole.tool_calls or ()))
    texts = []
    for event in client.chat_stream(message="x"):
        if event.event_type == "text-generation":
            texts.append(event.text)
        elif event.event_type == "stream-end":
            whole = event.response
    assert "".join(texts) == whole.text
    return Said(whole.text, _calls((one.name, one.parameters) for one in whole.tool_calls or ()))


def ollama_chat(streamed: bool) -> Said:
    """Ollama's chat."""
    ollama = sdk("ollama")

    client = ollama.Client("http://127.0.0.1:11434", event_hooks={"request": [_hook(sdk("httpx"))]})
    found = client.chat("x", messages=QUESTION, stream=streamed)
    messages = [part.message for part in found] if streamed else [found.message]
    calls = [(call.function.name, dict(call.function.arguments)) for message in messages for call in message.tool_calls or ()]
    return Said("".join(message.content or "" for message in messages), _calls(calls))


def ollama_generate(streamed: bool) -> Said:
    """Ollama's generate."""
    ollama = sdk("ollama")

    client = ollama.Client("http://127.0.0.1:11434", event_hooks={"request": [_hook(sdk("httpx"))]})
    found = client.generate("x", "x", stream=streamed)
    return Said("".join(part.response for part in found) if streamed else found.response)


@cache
def _bedrock() -> Any:
    boto3 = sdk("boto3")

    session = boto3.Session("no-key", "no-secret", region_name="us-east-1")
    client = session.client("bedrock-runtime")

    def replace(request: Any, **_: Any) -> None:
        sent = _about[0]
        request.url = sent.url
        request.data = sent.body
        for name in VERSION_HEADERS:
            del request.headers[name]
        for name, value in sent.headers.items():
            if name.lower() in VERSION_HEADERS:
                request.headers[name] = value

    client.meta.events.register("before-sign", replace)
    return client


def converse(streamed: bool) -> Said:
    """Bedrock converse."""
    client = _bedrock()
    asked: dict[str, Any] = {"modelId": "x", "messages": [{"role": "user", "content": [{"text": "x"}]}]}
    if not streamed:
        content = client.converse(**asked)["output"]["message"]["content"]
        uses = [block["toolUse"] for block in content if "toolUse" in block]
        return Said("".join(block.get("text", "") for block in content), _calls((use["name"], use["input"]) for use in uses))
    return _converse_events(client.converse_stream(**asked)["stream"])


def _converse_events(events: Iterable[dict[str, Any]]) -> Said:
    texts: list[str] = []
    calls: dict[int, list[str]] = {}
    for event in events:
        if "contentBlockStart" in event:
            started = event["contentBlockStart"]
            if "toolUse" in started["start"]:
                calls[started["contentBlockIndex"]] = [started["start"]["toolUse"]["name"], ""]
        elif "contentBlockDelta" in event:
            told = event["contentBlockDelta"]["delta"]
            texts.append(told.get("text", ""))
            if "toolUse" in told:
                calls[event["contentBlockDelta"]["contentBlockIndex"]][1] += told["toolUse"]["input"]
    return Said("".join(texts), _calls((name, arguments) for name, arguments in calls.values()))


def invoke(streamed: bool) -> Said:
    """Bedrock invoke: what is said is read from the body of each family of models."""
    client = _bedrock()
    if not streamed:
        return _invoked(json.loads(client.invoke_model(modelId="x", body=b"{}")["body"].read()))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in client.invoke_model_with_response_stream(modelId="x", body=b"{}")["body"]]
    if chunks[0].get("type") == "message_start":
        texts = [chunk["delta"].get("text", "") for chunk in chunks if chunk["type"] == "content_block_delta"]
        calls: dict[int, list[str]] = {}
        for chunk in chunks:
            if chunk["type"] == "content_block_start" and chunk["content_block"]["type"] == "tool_use":
                calls[chunk["index"]] = [chunk["content_block"]["name"], ""]
            elif chunk["type"] == "content_block_delta" and "partial_json" in chunk["delta"]:
                calls[chunk["index"]][1] += chunk["delta"]["partial_json"]
        return Said("".join(texts), _calls((name, arguments) for name, arguments in calls.values()))
    if any(key in chunks[0] for key in ("messageStart", "contentBlockDelta")):
        return _converse_events(chunks)
    return Said("".join(_invoked(chunk).text for chunk in chunks))


def _invoked(body: dict[str, Any]) -> Said:
    if isinstance(body.get("content"), list):
        uses = [block for block in body["content"] if block.get("type") == "tool_use"]
        return Said("".join(block.get("text", "") for block in body["content"]), _calls((use["name"], use["input"]) for use in uses))
    if isinstance(body.get("output"), dict):
        content = body["output"]["message"]["content"]
        found = [block["toolUse"] for block in content if "toolUse" in block]
        return Said("".join(block.get("text", "") for block in content), _calls((use["name"], use["input"]) for use in found))
    texts: list[str] = []
    for holder in (body, *(one for key in ("results", "outputs", "generations", "choices") for one in body.get(key) or ())):
        texts += [holder[key] for key in ("outputText", "generation", "completion", "text") if isinstance(holder.get(key), str)]
        message = holder.get("message") or holder.get("delta")
        texts += [message["content"]] if isinstance(message, dict) and isinstance(message.get("content"), str) else []
    return Said("".join(texts))


SDKS: dict[str, tuple[str, Ask]] = {
    "openai.chat": ("openai", openai_chat),
    "openai.completions": ("openai", openai_completions),
    "openai.responses": ("openai", openai_responses),
    "anthropic.messages": ("anthropic", anthropic_messages),
    "gemini.generate": ("google.genai", gemini),
    "mistral.chat": ("mistralai.client", mistral),
    "cohere.chat.v2": ("cohere", cohere_2),
    "cohere.chat.v1": ("cohere", cohere_1),
    "ollama.chat": ("ollama", ollama_chat),
    "ollama.generate": ("ollama", ollama_generate),
    "bedrock.converse": ("boto3", converse),
    "bedrock.invoke": ("boto3", invoke),
}
"""Each API with the SDK that speaks it: its module, and how it is asked."""
