"""Puts recording on in a program that `runstore exec` started, and in its children; then loads the program's own `sitecustomize`.

Whatever happens here, the program runs: a failure is one line on stderr.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _package(name):  # type: ignore[no-untyped-def]
    """Make runstore importable: the program's own where it has one, else ours, and nothing beside it."""
    import importlib.util

    if importlib.util.find_spec(name) is None:
        place = os.path.dirname(os.path.dirname(_HERE))
        spec = importlib.util.spec_from_file_location(name, os.path.join(place, "__init__.py"), submodule_search_locations=[place])
        module = sys.modules[name] = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]


def _begin():  # type: ignore[no-untyped-def]
    import json

    settings = json.loads(os.environ["RUNSTORE_TAP"])
    _package("runstore")  # type: ignore[no-untyped-call]
    from importlib import import_module

    module, _, function = settings["begin"].partition(":")
    getattr(import_module(module), function)(settings)


def _load_the_other():  # type: ignore[no-untyped-def]
    """Load the `sitecustomize` that Python would have found without us."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


# What the program sees of its path is what it would see without us; its children find us by PYTHONPATH.
sys.path[:] = [place for place in sys.path if os.path.abspath(place or os.curdir) != _HERE]
if os.environ.get("RUNSTORE_TAP"):
    try:
        _begin()  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - the border to the host program: said, and the program runs
        print(f"runstore: this process is not recorded: {type(error).__name__}: {error}", file=sys.stderr)
_load_the_other()  # type: ignore[no-untyped-call]
