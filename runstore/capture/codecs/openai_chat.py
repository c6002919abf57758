"""OpenAI chat completions, and the many servers that speak it: `POST …/chat/completions`.

Source: docs/spec/wire/openai.chat.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, mapping, maps, put_messages, served, told_before
from runstore.capture.codecs.chatstream import add_delta, finish
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import OpenAIRequests
from runstore.capture.codecs.shapes import clean, fit, ordered
from runstore.capture.codecs.sse import Event, Events

FIELDS = {
    "model": Place.MODEL,
    "messages": Place.HISTORY,
    "tools": Place.TOOLS,
    "functions": Place.TOOLS,
    "documents": Place.DOCUMENTS,
    "response_format": Place.FORMAT,
    **delivery("stream", "stream_options", "metadata", "user", "safety_identifier", "store", "service_tier"),
    **delivery("usage", "priority", "request_id", "id_slot"),
    **delivery("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    **places(
        Place.PARAMETER,
        "temperature top_p n stop max_tokens max_completion_tokens seed frequency_penalty presence_penalty logit_bias logprobs top_logprobs"
        " tool_choice function_call parallel_tool_calls reasoning_effort verbosity modalities audio"
        # OpenRouter, Groq, DeepSeek, z.ai, Together
        " provider models route transforms reasoning include_reasoning reasoning_format thinking clear_thinking safety_model echo"
        # vLLM, llama.cpp and others that serve open weights
        " top_k min_p top_a typical_p repetition_penalty length_penalty use_beam_search best_of min_tokens ignore_eos stop_token_ids"
        " skip_special_tokens spaces_between_special_tokens include_stop_str_in_output truncate_prompt_tokens prompt_logprobs"
        " add_generation_prompt continue_final_message add_special_tokens repeat_penalty repeat_last_n mirostat mirostat_tau mirostat_eta"
        " dynatemp_range dynatemp_exponent tfs_z samplers n_predict n_probs n_keep cache_prompt dry_multiplier"
        " dry_base dry_allowed_length xtc_probability xtc_threshold",
    ),
}  # fmt: skip

MESSAGE = ("role", "content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "audio", "function_call", "tool_calls")
CALL = ("id", "type", "function")
FUNCTION = ("name", "arguments")


class OpenAIChat(OpenAIRequests, JsonAnswers):
    """The codec `openai.chat`."""

    name = "openai.chat"
    path = re.compile(r"(?P<base>.*)/chat/completions/?")
    layout = Layout(FIELDS, sole_format="response_format")
    leads = True

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        choices: dict[int, dict[str, Any]] = {}
        for event in events:
            for key, value in mapping(event.data).items():
                if key == "choices":
                    for at, choice in enumerate(maps(value)):
                        index = choice.get("index")
                        number = index if type(index) is int else at
                        add_choice(choices.setdefault(number, {"index": number, "message": {}}), choice)
                    body.setdefault("choices", [])
                elif key == "object" and isinstance(value, str):
                    body[key] = value.removesuffix(".chunk")
                # Azure's first chunk has an empty id and model; `obfuscation` is padding against eavesdroppers.
                elif key != "obfuscation" and (value not in (None, "") or key not in body):
                    body[key] = value
        for choice in choices.values():
            finish(choice["message"])
        body["choices"] = [choices[number] for number in sorted(choices)]
        return Whole(body, ended(body, choices, stream, asked))

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        messages = []
        status = ERROR if body.get("error") else OK
        for choice in maps(body.get("choices")):
            if isinstance(choice.get("message"), dict):
                message, choice["message"] = fit(*clean_message(choice["message"]), told_before(asked))
                messages.append(message)
            if choice.get("finish_reason") == "error":
                status = ERROR
        runtime = served(body, _RUNTIME)
        return Taken(messages or None, runtime, hole(body, "usage", dict), body, status, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        put_messages(maps(rest.get("choices")), "message", output)
        for key, name in _RUNTIME.items():
            fill(rest, key, runtime.get(name))
        fill(rest, "usage", usage)
        return rest


# `provider` is what OpenRouter says that it passed the call to.
_RUNTIME = {"model": "model", "system_fingerprint": "fingerprint", "provider": "provider"}


def add_choice(choice: dict[str, Any], part: dict[str, Any]) -> None:
    """Add one chunk's part of a choice."""
    for key, value in part.items():
        if key == "delta":
            add_delta(choice["message"], mapping(value))
        elif key == "logprobs" and isinstance(value, dict):
            kept = choice.get(key)
            choice[key] = (
                {**kept, **{name: _joined(kept.get(name), item) for name, item in value.items()}} if isinstance(kept, dict) else value
            )
        elif key != "index" and (value is not None or key not in choice):
            choice[key] = value


def clean_message(message: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the message as a history carries it, what was set apart)."""
    out, left = clean(message, MESSAGE, kept=("role", "content"))
    calls = out.get("tool_calls")
    if isinstance(calls, list):
        indexes = [{"index": call["index"]} if isinstance(call, dict) and "index" in call else {} for call in calls]
        out["tool_calls"] = [_clean_call(call) for call in calls]
        if any(indexes):
            left["tool_calls"] = indexes
    if (calls or out.get("function_call")) and not out.get("content"):
        # Some send an empty text with a call, some nothing; streams of the same answer differ. A history says null.
        if out.get("content") is not None:
            left["content"] = out["content"]
        out["content"] = None
        out = ordered(out, MESSAGE)
    return out, left


def _clean_call(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    found = ordered({key: value for key, value in call.items() if key != "index"}, CALL)
    if isinstance(found.get("function"), dict):
        found["function"] = ordered(found["function"], FUNCTION)
    return found


def _joined(kept: Any, more: Any) -> Any:
    if isinstance(kept, list) and isinstance(more, list):
        return kept + more
    return kept if more is None else more


def ended(body: dict[str, Any], choices: dict[int, dict[str, Any]], stream: Events, asked: Asked) -> str:
    """Return how a stream of choices ended: by its mark, or, from servers that send none, by the end of every choice asked for."""
    if body.get("error"):
        return ERROR
    if stream.done:
        return OK if choices else PARTIAL
    wanted = mapping(asked["parameters"]).get("n") if asked and "parameters" in asked else None
    number = wanted if type(wanted) is int else 1
    finished = len(choices) >= number and all(choice.get("finish_reason") is not None for choice in choices.values())
    return OK if asked and finished else PARTIAL
