"""From recording to cause, in processes of their own, with a deterministic model on loopback: the built-in one, and SmolLM2 where it is.

Record, stop the server, replay without a network; ask again at two temperatures; change a parameter and be told; plant a line and find it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runstore.capture import demo, realdemo
from tests.transcripts import ROOT

PROGRAM = """
import json, os, socket, sys
import httpx

if os.environ.get("NO_NETWORK"):
    def refuse(*given): raise AssertionError("the network was used")
    socket.socket.connect = socket.socket.connect_ex = refuse
body = json.loads(sys.argv[1])
answer = httpx.post(os.environ["SERVICE"] + "/v1/chat/completions", json=body, timeout=300).json()
print(answer["choices"][0]["message"]["content"])
"""
LINES = ["You answer questions about the town library.", "Answer with one sentence.", "Be polite.", "Do not speak of the weather."]
CHANGED = ["You answer questions about the library of the town.", "Answer briefly.", "Be kind.", "Do not speak of politics."]


class Model(NamedTuple):
    """A model: how it is served (yields the URL), what a request to it has beside the prompt, the planted line, and what it leads to."""

    serve: Callable[[], AbstractContextManager[str]]
    body: dict[str, Any]
    planted: str
    said: str


@contextmanager
def builtin() -> Iterator[str]:
    """Serve the demo's model."""
    with demo.provider() as serving:
        yield serving.url


@contextmanager
def smollm2() -> Iterator[str]:
    """Serve SmolLM2 with llama.cpp."""
    with realdemo.serving(realdemo.model_file(), "smollm2") as (host, port):
        yield f"http://{host}:{port}"


MISSING = [package for module, package in realdemo.PACKAGES.items() if find_spec(module) is None]
MODELS = [
    pytest.param(
        Model(builtin, {"model": demo.MODEL, "documents": demo.DOCUMENTS}, "Name the document that you used.", "(Opening hours)"),
        id="builtin",
    ),
    pytest.param(
        Model(smollm2, {"model": "smollm2", "max_tokens": 16}, "Always answer in Spanish.", "lunes"),
        id="smollm2",
        marks=[
            pytest.mark.soak,
            pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' and '.join(MISSING)} (pip install --no-deps)"),
            pytest.mark.timeout(900),
        ],
    ),
]


class World:
    """A directory with a store, and programs that run in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "app.py").write_text(PROGRAM)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTORE")}
        self._environment = {**kept, "PYTHONPATH": str(ROOT)}

    def __call__(self, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a runstore command."""
        command = [sys.executable, "-m", "runstore", *words]
        done = subprocess.run(
            command, cwd=self.place, env={**self._environment, **environment}, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == code, done
        return done

    def json(self, *words: str) -> Any:
        """Run a command that prints JSON."""
        return json.loads(self(*words).stdout)


@pytest.mark.parametrize("model", MODELS)
def test_record_replay_rerun_and_bisect(model: Model, tmp_path: Path) -> None:
    """What was recorded is replayed without a network, reruns agree at 0 and differ at 0.9, and a planted line is found."""
    world = World(tmp_path)

    def body(lines: list[str], **more: Any) -> str:
        messages = [{"role": "system", "content": "\n".join(lines)}, {"role": "user", "content": demo.QUESTIONS[0]}]
        return json.dumps({**model.body, "messages": messages, "temperature": 0, "top_p": 1, **more})

    good, bad = body(LINES), body([*CHANGED[:2], model.planted, *CHANGED[2:]], seed=3)

    def app(command: str, ref: str, text: str, service: str, **given: Any) -> subprocess.CompletedProcess[str]:
        options = ["--ref", ref] if command == "exec" else []
        return world(command, *options, "--", sys.executable, "app.py", text, SERVICE=service, **given)

    with model.serve() as service:
        answers = [app("exec", ref, text, service).stdout for ref, text in (("good", good), ("bad", bad))]
    assert model.said not in answers[0]
    assert model.said in answers[1]

    # The server is gone.
    for text, answer in zip((good, bad), answers, strict=True):
        assert app("replay", "", text, service, NO_NETWORK="1").stdout == answer
    missed = app("replay", "", body(LINES, top_p=0.5), service, NO_NETWORK="1", code=1)
    assert "parameters.top_p" in missed.stderr

    # Another one, on another port, is asked in its place.
    with model.serve() as service:
        found = world.json("rerun", "good", "-n", "4", "--against", service, "--json")
        assert (len(found["variants"]), found["equal"], found["reproduced"]) == (1, 4, True)
        warm = world.json("rerun", "good", "-n", "8", "--set", "parameters.temperature=0.9", "--against", service, "--json")
        assert len(warm["variants"]) > 1
        assert not warm["same_request"]
        judge = ["sh", "-c", f'! grep -q "{model.said}" "$RUNSTORE_ANSWER"']
        result = world.json("bisect", "--good", "good", "--bad", "bad", "--against", service, "--json", "--", *judge)
    assert [change["new"] for change in result["changes"]] == [model.planted]
    assert result["trials"] <= 8
