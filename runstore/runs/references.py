"""What content points at instead of holding it: URLs and ids of things on a server. Pure.

`REFERENCES` is the table of keys that mean such a thing in the common APIs; it is made to be extended. Data URLs and blobs are content.
Left out of the search is what only talks about things: the arguments of tool calls, JSON schemas, citations, results of functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from runstore.tuples import NamedTuple

Steps = tuple[str | int, ...]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_POINTERS = frozenset(("url", "uri", "href", "link", "id", "_id", "file_id", "document_id", "doc_id", "ref", "reference", "path"))
_ABOUT = frozenset(("type", "kind", "score", "rank", "index", "mimeType", "mime_type"))


class Reference(NamedTuple):
    """One thing that is pointed at: where the pointer stands, the rule that found it, and what it says."""

    steps: Steps
    code: str
    says: str


class Rule(NamedTuple):
    """A row of the table: keys, what must stand under them, a stable code, and the sentence."""

    keys: tuple[str, ...]
    fits: Callable[[Any], bool]
    code: str
    says: str


def is_url(value: Any) -> bool:
    """True for a URL that leads elsewhere, or a map whose `url` or `uri` is one; false for data URLs."""
    if isinstance(value, dict):
        return any(is_url(value.get(key)) for key in ("url", "uri"))
    return isinstance(value, str) and _URL.match(value) is not None


def is_name(value: Any) -> bool:
    """True for the id of something on a server: text, several texts, or a map with an `id`."""
    if isinstance(value, dict):
        return isinstance(value.get("id"), str) and bool(value["id"])
    if isinstance(value, list):
        return any(isinstance(each, str) and each for each in value)
    return isinstance(value, str) and bool(value)


def _is_something(value: Any) -> bool:
    return bool(value) and isinstance(value, (str, list, dict))


_URL_SAYS = "is given only by URL: what stood there then is not recorded"

_SERVER = "on the provider's side"

# fmt: off
REFERENCES = (
    Rule(("image_url", "audio_url", "video_url", "file_url", "document_url", "input_image"), is_url, "by-url", _URL_SAYS),
    Rule(("fileUri", "file_uri", "gcsUri", "gcs_uri"), is_name, "by-url", _URL_SAYS),
    Rule(("s3Location", "s3_location", "sNLocation"), is_url, "by-url", _URL_SAYS),
    Rule(("$ref",), is_url, "by-url", "is a schema given only by URL"),
    Rule(("server_url", "mcp_servers", "connector_id"), _is_something, "remote-tools", "names a server whose tools are not recorded"),
    Rule(("file_id", "fileId", "file_ids", "fileIds"), is_name, "server-file", f"is a file {_SERVER}: its content is not recorded"),
    Rule(("previous_response_id",), is_name, "server-history", "stands for a conversation that the provider keeps"),
    Rule(("conversation", "conversation_id", "thread_id"), is_name, "server-history", "stands for a conversation that the provider keeps"),
    Rule(("cached_content", "cachedContent"), is_name, "server-cache", "stands for content that the provider has cached"),
    Rule(("container", "container_id"), is_name, "server-container", f"is a container {_SERVER}: what it holds is not recorded"),
    Rule(("vector_store_ids", "vector_store_id"), is_name, "server-store", f"holds documents {_SERVER}: what it gave is not recorded"),
    Rule(
        ("knowledgeBaseId", "knowledgeBaseIds", "knowledge_base_id", "knowledge_base_ids"), is_name,
        "server-store", f"holds documents {_SERVER}: what it gave is not recorded",
    ),
    Rule(("data_sources", "dataSources"), _is_something, "server-store", "lets the provider retrieve documents: they are not recorded"),
    Rule(("assistant_id",), is_name, "server-assistant", f"is an assistant {_SERVER}: its instructions are not recorded"),
)
"""The keys that mean a reference, with what must stand under them."""

HOSTED = frozenset((
    "web_search", "web_search_preview", "web_search_options", "web_fetch", "file_search", "code_interpreter", "code_execution",
    "computer_use_preview", "image_generation", "googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval",
    "codeExecution", "urlContext", "url_context", "x_search", "connectors",
))
"""Tools that run at the provider, by type, by key or by the request field that asks for them."""
# fmt: on

_BY_KEY = {key: rule for rule in REFERENCES for key in rule.keys}
# A name that a schema may well give to a property is looked for in requests only, not in schemas; `$ref` in schemas only.
_SCHEMAS = frozenset(
    ("input_schema", "inputSchema", "parameters", "parametersJsonSchema", "schema", "json_schema", "responseSchema", "response_schema")
)
_TALK = frozenset(("arguments", "args", "annotations", "citations", "metadata", "properties", "logprobs"))
_CALLS = frozenset(("tool_use", "server_tool_use", "mcp_tool_use", "function_call", "tool_call"))
# Items that a request may name by id alone, and the keys under which they carry their content if they do.
_KEPT: dict[str, tuple[str, ...]] = {
    "item_reference": (),
    "reasoning": ("encrypted_content", "content"),
    "image_generation_call": ("result",),
}
_MEDIA = frozenset(("image", "audio", "video", "file", "document", "url", "image_url", "media"))


def says_nothing(value: Any, slot: str) -> bool:
    """True for a map in which `references` finds nothing, seen at a glance: texts and numbers alone, as most messages are."""
    return (
        type(value) is dict
        and slot != "prompt"
        and "type" not in value
        and _BY_KEY.keys().isdisjoint(value)
        and not any(isinstance(part, (dict, list)) for part in value.values())
    )


def references(value: Any, slot: str) -> Iterator[Reference]:
    """Yield what a value points at instead of holding it. `slot` is where the value stands in a run. No recursion."""
    stack: list[tuple[Steps, Any, bool]] = [((), value, slot == "output_format")]
    while stack:
        path, at, schema = stack.pop()
        if isinstance(at, list):
            stack.extend(((*path, index), at[index], schema) for index in range(len(at) - 1, -1, -1))
        elif isinstance(at, dict):
            if not schema:
                yield from _by_shape(at, path, slot)
            below = []
            for key, part in at.items():
                rule = _BY_KEY.get(key)
                if rule is not None and schema == (key == "$ref") and rule.fits(part):
                    yield Reference((*path, key), rule.code, rule.says)
                elif schema or not (key in _TALK or _is_argument(at, key)):
                    below.append(((*path, key), part, schema or (key in _SCHEMAS and slot in ("tools", "extra"))))
            stack.extend(reversed(below))


def pointer_alone(document: Any) -> bool:
    """True if a document is nothing but a URL, or a map that names something and says nothing of it."""
    if isinstance(document, str):
        return is_url(document) and not any(character.isspace() for character in document.strip())
    if not isinstance(document, dict) or not document:
        return False
    return document.keys() <= _POINTERS | _ABOUT and any(is_name(document.get(key)) for key in _POINTERS)


def hosted_tools(value: Any) -> list[str]:
    """Return the tools in a definition, or the keys in a request, that run at the provider: by type, or as the one key of a map."""
    if not isinstance(value, dict):
        return []
    found = [key for key in value if key in HOSTED]
    kind = value.get("type")
    if isinstance(kind, str):
        # Types carry dates: web_search_20250305.
        found.extend(name for name in HOSTED if kind == name or re.fullmatch(re.escape(name) + r"_\d{8}", kind))
    return found


def _by_shape(value: dict[str, Any], path: Steps, slot: str) -> Iterator[Reference]:
    """Yield references that no key alone tells."""
    kind = value.get("type")
    if isinstance(kind, str) and kind in _KEPT and is_name(value.get("id")) and not any(value.get(key) for key in _KEPT[kind]):
        yield Reference((*path, "id"), "server-history", "is an item that the provider keeps: its content is not recorded")
    if isinstance(kind, str) and kind in _MEDIA:
        for key in ("url", "uri"):
            if is_url(value.get(key)):
                yield Reference((*path, key), "by-url", _URL_SAYS)
    audio = value.get("audio")
    if slot == "history" and isinstance(audio, dict) and is_name(audio) and "data" not in audio:
        yield Reference((*path, "audio", "id"), "server-file", "is audio on the provider's side: its content is not recorded")
    named = value if slot == "prompt" and not path else value.get("prompt") if slot == "extra" and not path else None
    if isinstance(named, dict) and is_name(named) and not {"content", "text", "role"} & named.keys():
        yield Reference(
            () if named is value else ("prompt",), "server-prompt", "is a prompt that the provider keeps: its text is not recorded"
        )


def _is_argument(value: dict[str, Any], key: str) -> bool:
    """True if what stands under a key is what a model passed to a tool, or what a tool gave back as data."""
    if key in ("input", "parameters") and ("name" in value and (value.get("type") in _CALLS or "toolUseId" in value)):
        return True
    if key == "parameters" and "name" in value and "type" not in value and "description" not in value:
        return True  # Cohere's tool calls
    return (key == "response" and "name" in value) or key == "json"
