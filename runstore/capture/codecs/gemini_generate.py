"""Gemini generateContent and streamGenerateContent, on the Gemini API and on Vertex.

Source: docs/spec/wire/gemini.generate.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, mapping, maps, put_messages, served, told_before
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests, Located
from runstore.capture.codecs.shapes import fit, ordered
from runstore.capture.codecs.sse import Event, Events

_CONFIG = {
    **places(
        Place.FORMAT,
        "responseMimeType responseSchema responseJsonSchema _responseJsonSchema response_mime_type response_schema response_json_schema",
    ),
    **places(
        Place.PARAMETER,
        "stopSequences responseModalities thinkingConfig candidateCount maxOutputTokens temperature topP topK"
        " seed presencePenalty frequencyPenalty"
        " responseLogprobs logprobs enableEnhancedCivicAnswers speechConfig mediaResolution audioTimestamp"
        " routingConfig modelSelectionConfig imageConfig"
        " enableAffectiveDialog"
        " stop_sequences response_modalities thinking_config candidate_count max_output_tokens top_p top_k"
        " presence_penalty frequency_penalty"
        " response_logprobs speech_config media_resolution audio_timestamp routing_config image_config",
    ),
}
FIELDS = {
    "model": Place.MODEL,
    **places(Place.PROMPT, "systemInstruction system_instruction"),
    "contents": Place.HISTORY,
    "tools": Place.TOOLS,
    **places(
        Place.PARAMETER,
        "toolConfig tool_config safetySettings safety_settings modelArmorConfig model_armor_config generationConfig generation_config",
    ),
    **delivery("labels", "serviceTier", "store"),
}
CONTENT = ("parts", "role")


class GeminiGenerate(JsonRequests, JsonAnswers):
    """The codec `gemini.generate`. `cachedContent` stands in `extra`: it is content, and lies elsewhere."""

    name = "gemini.generate"
    path = re.compile(r"(?P<base>.*)/(?:models/(?P<model>[^/:]+)|(?P<other>(?:tunedModels|endpoints)/[^/:]+)):(?:g|streamG)enerateContent")
    layout = Layout(FIELDS, {"generationConfig": _CONFIG, "generation_config": _CONFIG})
    arrays = True

    def locate(self, path: str) -> Located:
        """Read a path; tuned models and endpoints keep the name of their collection."""
        located = super().locate(path)
        found = self.path.fullmatch(path)
        other = found["other"] if found else None
        return located._replace(model=other) if other else located

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        candidates: dict[int, dict[str, Any]] = {}
        for event in events:
            for key, value in mapping(event.data).items():
                if key == "candidates":
                    for at, candidate in enumerate(maps(value)):
                        index = candidate.get("index")
                        _add(candidates.setdefault(index if type(index) is int else at, {}), candidate)
                    body.setdefault(key, [])
                elif value is not None:
                    body[key] = value
        if "candidates" in body:
            body["candidates"] = [candidates[number] for number in sorted(candidates)]
        if body.get("error"):
            return Whole(body, ERROR)
        blocked = bool(mapping(body.get("promptFeedback")).get("blockReason"))
        finished = bool(candidates) and all(candidate.get("finishReason") is not None for candidate in candidates.values())
        return Whole(body, OK if blocked or finished else PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        messages = []
        for candidate in maps(body.get("candidates")):
            if candidate.get("content"):
                message, candidate["content"] = fit(_clean(candidate["content"]), {}, told_before(asked))
                messages.append(message)
        status = ERROR if body.get("error") else OK
        return Taken(
            messages or None,
            served(body, {"modelVersion": "model"}),
            hole(body, "usageMetadata", dict),
            body,
            status,
            body.get("responseId"),
        )

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        put_messages(maps(rest.get("candidates")) if output else [], "content", output)
        fill(rest, "modelVersion", runtime.get("model"))
        fill(rest, "usageMetadata", usage)
        return rest


def _clean(content: Any) -> Any:
    return ordered(content, CONTENT) if isinstance(content, dict) else content


def _add(candidate: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key == "content" and isinstance(value, dict):
            content = candidate.setdefault("content", {})
            for name, item in value.items():
                if name == "parts" and isinstance(item, list):
                    content[name] = _joined(content.get(name), item)
                elif item is not None:
                    content[name] = item
        elif value is not None:
            candidate[key] = value


def _joined(kept: Any, more: list[Any]) -> list[Any]:
    """Join the parts of two chunks: neighbouring texts of one kind are one text; a signature ends its part."""
    parts = list(kept) if isinstance(kept, list) else []
    for part in more:
        if part == {"text": ""}:
            continue  # the last chunk's, where it has nothing more to say
        last: Any = parts[-1] if parts else None
        if _is_text(last) and _is_text(part) and last.get("thought") == part.get("thought") and "thoughtSignature" not in last:
            parts[-1] = {**last, **part, "text": last["text"] + part["text"]}
        else:
            parts.append(part)
    return parts


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str) and part.keys() <= {"text", "thought", "thoughtSignature"}
