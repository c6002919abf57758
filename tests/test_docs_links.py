"""The documentation leads somewhere: links resolve, and the commands that it names exist."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from runstore.cli.declare import GLOBAL
from runstore.cli.registry import COMMANDS, load, split_name
from tests.transcripts import ROOT, blocks

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:(?<=`)|(?<=^\$ )|(?<=^    ))runstore ([a-z][^`|&;<>\n]*)", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual sites make them."""
    found = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("name", NAMES)
def test_links_resolve(name: str) -> None:
    """Every link to a file in the project leads to a file, and to a heading in it if it says one."""
    page = ROOT / name
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", [name for name in NAMES if "/design/" not in name])
def test_commands_exist(name: str) -> None:
    """Every command line in the documentation begins with the name of a command."""
    firsts = {command.split()[0] for command in COMMANDS}
    for line in _COMMAND.findall((ROOT / name).read_text()):
        words = line.split()
        assert words[0] in firsts, line
        assert words[0] in COMMANDS or len(words) == 1 or " ".join(words[:2]) in COMMANDS, line


@pytest.mark.parametrize("name", NAMES)
def test_options_exist(name: str) -> None:
    """Every option in a transcript is one that the command has."""
    for _, text in blocks(ROOT / name, "console"):
        for line in re.findall(r"^\$ runstore (.*)", text, re.MULTILINE):
            words = list(takewhile(lambda word: word not in ("|", ">", "--"), shlex.split(line)))
            while words[0].startswith("--"):
                del words[:2]
            command, rest = split_name(words)
            assert command is not None, line
            known = {flag for parameter in (*GLOBAL, *load(command).parameters) for flag in parameter.flags} | {"--help"}
            assert {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} <= known, line


def test_every_command_is_in_the_readme() -> None:
    """The table of commands in README.md names all of them, and no other."""
    rows = re.findall(r"^\| [a-z ]+ \| (`[a-z -]+`(?: · `[a-z -]+`)*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(COMMANDS)


def test_every_page_is_in_the_index() -> None:
    """docs/README.md leads to every page for users."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text())}
    pages = {page for page in PAGES if page.is_relative_to(index.parent) and page != index}
    assert {str(page.relative_to(ROOT)) for page in pages - linked} == set()
