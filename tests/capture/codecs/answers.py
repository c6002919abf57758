"""Answers of each API as it gives them in one piece, generated."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(max_size=20)
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.one_of(st.integers(), TEXTS, st.none()), max_size=2)
COUNT = st.integers(0, 9999)


def _maps(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional or {})


_CALL = _maps({"id": st.uuids().map(str), "type": st.just("function"), "function": _maps({"name": TEXTS, "arguments": TEXTS})})
_SPOKEN = _maps(
    {"role": st.just("assistant"), "content": TEXTS},
    {"refusal": st.none(), "annotations": st.just([]), "reasoning_content": TEXTS.filter(bool)},
)
_CALLING = _maps({"role": st.just("assistant"), "content": st.none(), "tool_calls": st.lists(_CALL, min_size=1, max_size=3)})
_CHOICE = _maps(
    {"message": st.one_of(_SPOKEN, _CALLING), "finish_reason": st.sampled_from(["stop", "length", "tool_calls"]), "logprobs": st.none()}
)


def _counted(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"index": index, **choice} for index, choice in enumerate(choices)]


CHAT = _maps(
    {
        "id": st.just("chatcmpl-1"),
        "object": st.just("chat.completion"),
        "created": COUNT,
        "model": st.just("m-2024"),
        "choices": st.lists(_CHOICE, min_size=1, max_size=2).map(_counted),
        "usage": _maps({"prompt_tokens": COUNT, "completion_tokens": COUNT}),
    },
    {"system_fingerprint": st.just("fp_1"), "service_tier": st.just("default")},
)
COMPLETION = _maps({
    "id": st.just("cmpl-1"),
    "object": st.just("text_completion"),
    "model": st.just("m-2024"),
    "choices": st.lists(_maps({"text": TEXTS, "finish_reason": st.just("stop")}), min_size=1, max_size=2).map(_counted),
    "usage": _maps({"prompt_tokens": COUNT}),
})  # fmt: skip
_BLOCK = st.one_of(
    _maps({"type": st.just("text"), "text": TEXTS}),
    _maps({"type": st.just("thinking"), "thinking": TEXTS, "signature": st.just("c2ln")}),
    _maps(
        {"type": st.just("tool_use"), "id": st.just("toolu_1"), "name": TEXTS, "input": ARGUMENTS}, {"caller": st.just({"type": "direct"})}
    ),
)
MESSAGE = _maps({
    "model": st.just("claude-1"),
    "id": st.just("msg_1"),
    "type": st.just("message"),
    "role": st.just("assistant"),
    "content": st.lists(_BLOCK, max_size=3),
    "stop_reason": st.sampled_from(["end_turn", "tool_use"]),
    "stop_sequence": st.none(),
    "usage": _maps({"input_tokens": COUNT, "output_tokens": COUNT}),
})  # fmt: skip
_PART = st.one_of(
    _maps({"text": TEXTS.filter(bool)}, {"thoughtSignature": st.just("c2ln")}),
    _maps({"functionCall": _maps({"name": TEXTS, "args": ARGUMENTS})}),
)
_PARTS = st.lists(_PART, min_size=1, max_size=1)
_CANDIDATE = _maps({"content": _maps({"parts": _PARTS, "role": st.just("model")}), "finishReason": st.just("STOP")})
CONTENT = _maps({
    "candidates": _CANDIDATE.map(lambda candidate: [{**candidate, "index": 0}]),
    "usageMetadata": _maps({"promptTokenCount": COUNT}),
    "modelVersion": st.just("gemini-2.5-flash"),
    "responseId": st.just("r1"),
})  # fmt: skip
_ITEM = st.one_of(
    _maps({
        "id": st.just("fc_1"), "type": st.just("function_call"), "status": st.just("completed"), "arguments": TEXTS,
        "call_id": st.just("c"), "name": TEXTS,
    }),
    _maps({
        "id": st.just("msg_1"), "type": st.just("message"), "status": st.just("completed"), "role": st.just("assistant"),
        "content": st.lists(_maps({"type": st.just("output_text"), "annotations": st.just([]), "text": TEXTS}), min_size=1, max_size=2),
    }),
)  # fmt: skip
RESPONSE = _maps({
    "id": st.just("resp_1"),
    "object": st.just("response"),
    "status": st.sampled_from(["completed", "incomplete"]),
    "model": st.just("m-2024"),
    "output": st.lists(_ITEM, min_size=1, max_size=3),
    "temperature": st.sampled_from([1.0, 0.5]),
    "top_p": st.none(),
    "usage": _maps({"input_tokens": COUNT}),
    "error": st.none(),
})  # fmt: skip
OLLAMA = _maps({
    "model": st.just("llama3"),
    "created_at": st.just("2024-05-24T20:57:43Z"),
    "message": _maps({"role": st.just("assistant"), "content": TEXTS}, {"thinking": TEXTS.filter(bool)}),
    "done_reason": st.just("stop"),
    "done": st.just(True),
    "prompt_eval_count": COUNT,
    "eval_count": COUNT,
})  # fmt: skip
_CONVERSED = st.one_of(
    _maps({"toolUse": _maps({"toolUseId": st.just("t1"), "name": TEXTS, "input": ARGUMENTS})}),
    _maps({"reasoningContent": _maps({"reasoningText": _maps({"text": TEXTS, "signature": st.just("c2ln")})})}),
)
CONVERSE = _maps({
    "output": _maps({"message": _maps({
        "role": st.just("assistant"),
        "content": st.tuples(st.lists(_CONVERSED, max_size=2), TEXTS).map(lambda told: [*told[0], {"text": told[1]}]),
    })}),
    "stopReason": st.just("end_turn"),
    "usage": _maps({"inputTokens": COUNT}),
    "metrics": _maps({"latencyMs": COUNT}),
})  # fmt: skip
_COHERE_CALL = _maps({"id": st.just("c1"), "type": st.just("function"), "function": _maps({"name": TEXTS, "arguments": TEXTS})})
COHERE = _maps({
    "id": st.just("i"),
    "finish_reason": st.just("COMPLETE"),
    "message": st.one_of(
        _maps({"role": st.just("assistant"), "content": st.lists(_maps({"type": st.just("text"), "text": TEXTS}), min_size=1, max_size=2)}),
        _maps({
            "role": st.just("assistant"), "tool_plan": TEXTS.filter(bool), "tool_calls": st.lists(_COHERE_CALL, min_size=1, max_size=2),
        }),
    ),
    "usage": _maps({"tokens": _maps({"input_tokens": COUNT})}),
})  # fmt: skip
COHERE_1 = _maps({
    "response_id": st.just("r"),
    "generation_id": st.just("g"),
    "text": TEXTS,
    "finish_reason": st.just("COMPLETE"),
    "meta": _maps({"tokens": _maps({"input_tokens": COUNT})}),
})  # fmt: skip
GENERATION = _maps({"id": st.just("g"), "generations": st.lists(_maps({"id": st.just("h"), "text": TEXTS}), min_size=1, max_size=2)})
_TITAN = _maps({
    "inputTextTokenCount": COUNT,
    "results": _maps({"tokenCount": COUNT, "outputText": TEXTS, "completionReason": st.just("FINISH")}).map(lambda one: [one]),
})  # fmt: skip
_LLAMA = _maps({"generation": TEXTS, "prompt_token_count": COUNT, "generation_token_count": COUNT, "stop_reason": st.just("stop")})
_OUTPUTS = _maps({"outputs": _maps({"text": TEXTS, "stop_reason": st.just("stop")}).map(lambda one: [one])})
_METERED = st.tuples(MESSAGE, COUNT).map(lambda told: {**told[0], "amazon-bedrock-invocationMetrics": {"outputTokenCount": told[1]}})
INVOKE = st.one_of(
    COHERE_1.map(lambda body: {key: body[key] for key in ("text", "finish_reason")}), MESSAGE, _METERED, CONVERSE, _TITAN, _LLAMA, _OUTPUTS
)

ANSWERS = {
    "openai.chat": CHAT,
    "mistral.chat": CHAT,
    "openai.completions": COMPLETION,
    "anthropic.messages": MESSAGE,
    "gemini.generate": CONTENT,
    "openai.responses": RESPONSE,
    "ollama.chat": OLLAMA,
    "ollama.generate": OLLAMA.map(
        lambda body: {key: item for key, item in body.items() if key != "message"} | {"response": body["message"]["content"]}
    ),
    "bedrock.converse": CONVERSE,
    "bedrock.invoke": INVOKE,
    "cohere.chat.v1": COHERE_1,
    "cohere.chat.v2": COHERE,
    "cohere.generate": GENERATION,
}
"""Strategies for the answers of the APIs that stream, by the codec's name."""
