"""Clients that are imported after the tap was put on."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from runstore.capture.tap import patches
assert patches.install() == []
assert not {modules} & sys.modules.keys(), "a client was imported"
import {module}
print(*patches.patched())
patches.remove()
print(*patches.patched())
assert not any(type(one).__name__ == "_Finder" for one in sys.meta_path)
"""


@pytest.mark.parametrize(
    ("module", "patched"),
    [
        ("httpx", "httpx.Client._send_single_request httpx.AsyncClient._send_single_request"),
        ("httpx2", "httpx2.Client._send_single_request httpx2.AsyncClient._send_single_request"),
        ("botocore.httpsession", "botocore.httpsession.URLLib3Session.send"),
    ],
)
def test_a_client_imported_later_is_patched(module: str, patched: str) -> None:
    """Nothing is imported by putting the tap on; a client is patched when the program imports it, and restored."""
    pytest.importorskip(module, reason=f"{module} is not installed")
    program = _PROGRAM.format(module=module, modules={"httpx", "httpx2", "botocore"})
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == f"{patched}\n\n"
