"""`runstore show` as a process, beside a Python that does nothing."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import runstore
from benchmarks.call import Call
from benchmarks.clock import ratio_of_medians, spend
from benchmarks.figures import Figure
from benchmarks.peers.runstore import Runstore

BARE = "pass"
SHOW = "import sys; sys.path.append({root!r}); from runstore.cli import main; sys.exit(main())"


def process(calls: Sequence[Call], scratch: Path, pairs: int) -> Figure:
    """Wall time of showing the last of `calls`, over that of `python -I -c pass`; both interleaved, both from compiled files."""
    with TemporaryDirectory(dir=scratch) as directory:
        peer = Runstore(Path(directory))
        peer.add_all(calls)
        peer.close()
        show = [
            SHOW.format(root=str(Path(runstore.__file__).parents[1])),
            "--store",
            str(peer.store),
            "show",
            peer.executions[calls[-1].key],
        ]
        _python(show)  # compiles what is not compiled yet
        shown, bare = [], []
        for _ in range(pairs):
            bare.append(spend(lambda: _python([BARE])))
            shown.append(spend(lambda: _python(show)))
    return Figure("`runstore show` as a process, in bare `python -I -c pass`", ratio_of_medians(shown, bare), "×", 4.0, 2.5)


def _python(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-I", "-c", *arguments], check=True, stdout=subprocess.DEVNULL)
