"""The pages of docs/how-to/sdks, played: each program runs as it stands, and its calls are recorded."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from runstore.capture.fake.server import Provider
from tests.capture.recordings import ROOT, RUNSTORE, executions
from tests.capture.sdks.test_sdks import provider, store  # noqa: F401 - fixtures
from tests.transcripts import blocks

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
PAGES = sorted((ROOT / "docs" / "how-to" / "sdks").glob("*.md"))
INDEX = ROOT / "docs" / "how-to" / "sdks.md"


def app(page: Path, provider: Provider) -> str:  # noqa: F811
    """Return the program of a page; Mistral's SDK takes its address from the program alone."""
    [(_, text)] = blocks(page, "python")
    module = re.search(r"^(?:import|from) ([\w.]+)", re.sub(r"^import os\n", "", text), re.MULTILINE)
    assert module is not None
    if find_spec(module[1].partition(".")[0]) is None:
        pytest.skip(f"{module[1]} is not installed: pip install 'runstore[test-sdks]'")
    return text.replace("Mistral(", f"Mistral(server_url={provider.url!r}, ")


def addresses(provider: Provider) -> dict[str, str]:  # noqa: F811
    """Return the environment in which the SDKs call the fake provider, and nothing else that is installed has a say."""
    return {
        "OPENAI_BASE_URL": provider.url + "/v1",
        "OPENAI_API_BASE": provider.url + "/v1",
        "ANTHROPIC_BASE_URL": provider.url,
        "GOOGLE_GEMINI_BASE_URL": provider.url,
        "CO_API_URL": provider.url,
        "OLLAMA_HOST": provider.url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider.url,
        "LLM_LOAD_PLUGINS": "",  # one that is installed here and cannot be loaded would end the program
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_program_of_a_page_is_recorded(
    page: Path, store: Path, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """It runs, prints the answer, and every call that it made stands in the store with the bytes that were sent."""
    text = app(page, provider)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    for name, value in addresses(provider).items():
        monkeypatch.setenv(name, value)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, page.name, "exec"), {"__name__": "app"})
    assert "You said: Is it open?" in printed.getvalue()
    found = executions(store)
    assert [one.status for one in found] == ["ok"] * len(provider.served)
    assert [one.sent for one in found] == [served.received for served in provider.served]


def test_every_page_is_in_the_table() -> None:
    """The page of the SDKs leads to each of them, and to none that is not there."""
    assert sorted(re.findall(r"\(sdks/([\w-]+)\.md\)", INDEX.read_text())) == sorted(page.stem for page in PAGES)


@pytest.mark.soak
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_one_command_records_the_program_of_a_page(
    page: Path, store: Path, provider: Provider, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    """`runstore exec -- python app.py` records it in a process of its own; `show @` has the composition, and whether that is all."""
    (tmp_path / "app.py").write_text(app(page, provider))
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "LLM_USER_PATH": str(tmp_path / "llm"), **addresses(provider)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RUNSTORE, *words], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=100, check=True
        )  # fmt: skip

    done = run("exec", "--", sys.executable, "app.py")
    assert re.search(r"^recorded \d executions? \(\d ok\)", done.stderr, re.MULTILINE), done.stderr
    shown = run("show", "@").stdout
    assert "Is it open?" in shown
    assert re.search(r"^complete    (yes|no: .*unknown|no: the name)", shown, re.MULTILINE), shown
