"""Names of recordings: where the file of a test module lies, and which ref in it is a test's. Pure.

Source: docs/design/0014-pytest.md.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from runstore import refs
from runstore.capture.importers.naming import escape, hashed
from runstore.errors import InvalidInput

DIRECTORY = "recordings"
SUFFIX = ".runs"
_OTHERS = re.compile(rb"[^a-z0-9._+=@-]|(?<=\.)\.")
_KEPT = 150


def file_of(module: str) -> str:
    """Return the file of a test module's recordings: `recordings/MODULE.runs` beside it."""
    directory, name = os.path.split(module)
    return os.path.join(directory, DIRECTORY, (name.removesuffix(".py")) + SUFFIX)


def module_of(file: str) -> tuple[str, str]:
    """Return the paths that the module of a file of recordings may have: a Python module, or another file that holds tests."""
    directory, name = os.path.split(file)
    stem = os.path.join(os.path.dirname(directory), name.removesuffix(SUFFIX))
    return stem + ".py", stem


def ref_of(test: str) -> str:
    """Return the full ref name of a test's recording, from its name within the module: `test_a`, `TestB::test_c[x]`.

    Names of parameters may differ in case alone, and names of refs may not: their capitals are escaped, too.
    """
    name, bracket, parameters = test.partition("[")
    parts = [escape(part) for part in name.split("::")]
    parts[-1] += _escaped(bracket + parameters)
    try:
        return refs.full_name("heads/" + "/".join(parts))
    except InvalidInput:  # too long, or one that reads as an id
        return refs.full_name("heads/" + hashed("/".join(parts)[:_KEPT].rstrip("/%") + "+", test))


def shown(ref: str) -> str:
    """Return a ref as people read it: `TestB/test_c[x]`."""
    return unquote(refs.short_name(ref))


def _escaped(text: str) -> str:
    return _OTHERS.sub(lambda found: b"%%%02X" % found[0][0], text.encode("utf-8", "surrogatepass")).decode()
