"""Redaction as settings choose it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runstore.capture.redaction.configured import configured
from runstore.errors import InvalidInput
from runstore.store.directory import Config, read_config, write_config
from tests.capture.redaction.secrets import TOKENS


def test_it_is_off_unless_chosen() -> None:
    """No settings, or `off`, ask for no redactor; an argument goes before them."""
    assert configured({}) is None
    assert configured({"redact": "mask"}, "off") is None
    assert configured({}, "mask") is not None


def test_patterns_of_the_settings_are_rules() -> None:
    """A pattern of one's own is masked beside the known kinds."""
    redactor = configured({"redact": "mask", "patterns": {"customer-number": r"CUST-\d{6}"}})
    assert redactor is not None
    text, _ = redactor.value(f"CUST-123456 {TOKENS['npm-token']}")
    assert text == "[redacted:customer-number] [redacted:npm-token]"


@pytest.mark.parametrize("settings", [{"redact": "perhaps"}, {"redact": "mask", "patterns": {"x": "("}}, {"redcat": "mask"}])
def test_what_settings_cannot_mean_is_an_error(settings: dict[str, object]) -> None:
    """An unknown mode, a broken pattern or a misspelt key names its place: nobody is to believe that secrets are masked."""
    with pytest.raises(InvalidInput, match=re.compile("capture\\.")):
        configured(settings)


def test_settings_keep_the_table_when_they_are_written_anew(tmp_path: Path) -> None:
    """Adding a remote loses nothing of `[capture]`."""
    config = Config(capture={"redact": "mask", "level": 3, "on": True, "patterns": {"a b": r"C-\d \"x\""}}, remotes={"o": {"url": "/x"}})
    write_config(str(tmp_path), config)
    assert read_config(str(tmp_path)) == config
