"""Local models: what answered, by the digest of its weights, its engine and its chat template, as slots for `repo.add`.

A digest is SHA-256, as `sha256sum`, Hugging Face and Ollama give it. Hashing gigabytes takes a while, so a digest is remembered by path,
size and time of change.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

from runstore.errors import NotFound
from runstore.store.directory import write_file

_remembered: dict[str, str] = {}


def weights(path: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = None) -> str:
    """Return `sha256:` and the digest of a file of weights; of a directory, of the lines `DIGEST  NAME` of its files, sorted by name.

    `cache` is a JSON file in which digests are kept from one process to the next; without it they are remembered by this process. A file
    whose size and time of change are the same is not read again. Raises NotFound.
    """
    place = os.path.realpath(path)
    if os.path.isdir(place):
        files = [os.path.join(above, name) for above, _, names in os.walk(place) for name in names]
        lines = [f"{weights(file, cache=cache).removeprefix('sha256:')}  {os.path.relpath(file, place)}\n" for file in files]
        return "sha256:" + hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode("utf-8", "surrogateescape")).hexdigest()
    try:
        status = os.stat(place)
    except FileNotFoundError as error:
        raise NotFound(f"there are no weights at {os.fspath(path)}", hint="name the file or the directory of the model") from error
    key = f"{place}\n{status.st_size}\n{status.st_mtime_ns}"
    kept = _read(cache)
    found = _remembered.get(key) or kept.get(key)
    if found is None:
        with open(place, "rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        if cache is not None:
            with suppress(OSError):  # a cache that cannot be written costs time alone
                write_file(os.fspath(cache), json.dumps({**kept, key: found}).encode("ascii"))
    _remembered[key] = found
    return found


def local_model(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    engine: str | None = None,
    engine_version: str | None = None,
    chat_template: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return the slots that say what a local model is: `Run(**local_model("llama.gguf", engine="llama_cpp"), prompt=…, history=…)`.

    `model` has `api` (`local`), `name` (the file's, unless given) and the digest of the weights; `runtime` the same digest, the engine and
    its version, by default that of the installed package of this name; `extra` the chat template, since it makes what the model reads.
    """
    digest = weights(path, cache=cache)
    runtime: dict[str, Any] = {"weights": digest}
    if engine is not None:
        runtime["engine"] = engine
        version = engine_version or _installed(engine)
        if version is not None:
            runtime["engine_version"] = version
    model = {"api": "local", "name": name or os.path.basename(os.path.realpath(path)), "weights": digest}
    slots: dict[str, Any] = {"model": model, "runtime": runtime}
    if chat_template is not None:
        slots["extra"] = {"chat_template": chat_template}
    return slots


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _read(cache: str | os.PathLike[str] | None) -> Mapping[str, str]:
    if cache is None:
        return {}
    try:
        with open(cache, encoding="ascii") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
