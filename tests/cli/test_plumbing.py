"""The commands that look at every layer: cat, ls, rev-parse, hash, dump."""

import json
from pathlib import Path

from blake3 import blake3

from runstore.cli import program
from tests.cli.conftest import Cli


def test_cat_prints_values_as_json_and_blobs_as_they_are(filled: Cli) -> None:
    """What `cat` prints of a value reads back as the value; of a blob it is the bytes."""
    assert filled("cat", "main:prompt").json == "You are terse.\nAnswer in one digit."
    assert filled("cat", "main:history").json == [{"role": "user", "content": "What is two and two?"}]
    assert filled("cat", "main:history/0.content").json == "What is two and two?"
    assert filled("cat", "main^{run}").json["prompt"] == filled("rev-parse", "--kind", "main:prompt").out.strip()
    Path("file").write_bytes(b"raw\n")
    filled("add", "--output", "@file")
    assert filled("cat", "main:output").json == "raw\n"


def test_the_body_of_every_kind_hashes_to_its_id(filled: Cli) -> None:
    """`cat --body` gives the bytes of which the id is the hash, checkable without this program; `dump` gives them all."""
    for line in filled("dump").objects:
        hashed = blake3(bytes.fromhex(line["body_hex"]), derive_key_context=f"runstore 2026 v1 {line['kind']}").hexdigest()
        assert hashed == line["id"]
    link = filled("rev-parse", "--kind", "main:prompt").out.strip()
    body = filled.raw("cat", link, "--body")
    assert f"value:{blake3(body, derive_key_context='runstore 2026 v1 value').hexdigest()}" == link


def test_dump_of_a_revision_is_what_it_leads_to(filled: Cli) -> None:
    """With a revision only the objects behind it are printed, each after those it links to."""
    whole = [line["id"] for line in filled("dump").objects]
    some = [line["id"] for line in filled("dump", "main~2").objects]
    assert set(some) < set(whole)
    assert some[-1] == filled("rev-parse", "main~2").out.strip()


def test_ls_lists_slots_elements_links_and_refs(filled: Cli) -> None:
    """Each kind of object lists what it holds; without a revision the refs are listed."""
    assert [row["name"] for row in filled("ls", "main^{run}", "--json").objects][:3] == ["model", "prompt", "parameters"]
    assert [row["name"] for row in filled("ls", "main", "--json").objects] == ["run", "parent", "output"]
    assert [row["name"] for row in filled("ls", "main:tools", "--json").objects] == ["0", "1"]
    assert [row["name"] for row in filled("ls", "--json").objects] == ["heads/main"]
    tag = filled("tag", "v1").out.strip()
    assert [row["name"] for row in filled("ls", tag, "--json").objects] == ["target"]
    filled.add(documents=False)
    assert "documents   absent" in filled("ls", "main^{run}").out


def test_rev_parse_prints_full_ids(filled: Cli) -> None:
    """Ids in full, one a line; with --kind as kind:id; of a part inside an object the object and the path."""
    ids = filled("rev-parse", "main", "@", "main~1").lines
    assert ids[0] == ids[1] != ids[2]
    assert [len(text) for text in ids] == [64, 64, 64]
    assert filled("rev-parse", "--kind", "main").out.startswith("execution:")
    part = filled("rev-parse", "main:history/0.content").out.strip()
    assert part.endswith(":content")
    assert filled("cat", part).json == "What is two and two?"
    assert filled("rev-parse", "chatcmpl-1").lines == filled("rev-parse", "main~2").lines


def test_hash_needs_no_store_and_tells_the_id_that_storing_gives(filled: Cli) -> None:
    """Blobs, values, settings, lists and runs are hashed as they would be stored."""
    files = {
        "message": {"role": "user", "content": "What is two and two?"},
        "history": [{"role": "user", "content": "What is two and two?"}],
    }
    files["settings"] = {"temperature": 0.7, "seed": 7.0}
    files["run"] = {"prompt": "a"}
    for name, value in files.items():
        Path(name).write_text(json.dumps(value))
    assert filled("hash", "--kind", "value", "message").out == filled("rev-parse", "main:history/0").out
    assert filled("hash", "--kind", "list", "history").out == filled("rev-parse", "main:history").out
    assert filled("hash", "--kind", "settings", "settings").out == filled("rev-parse", "main:parameters").out
    assert filled("hash", "--kind", "run", "run").out.strip() == filled.add(prompt="a")["run"]
    assert filled("hash", "-", stdin=b"abc").out.strip() == blake3(b"abc", derive_key_context="runstore 2026 v1 blob").hexdigest()


def test_running_is_a_function_of_words() -> None:
    """A mistake on the command line gives an exit code and does not end the process."""
    assert program.run(["no-such-command"]) == 2
