"""Tokens: made, found, changed and taken back."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date
from pathlib import Path

import pytest

from runstore.errors import InvalidInput, NoStore, NotFound
from runstore.serve.grants import parse_grant
from runstore.serve.tokens import TokenFile, add_token, new_secret, read_tokens, remove_token

READ = [parse_grant("read team")]
NOON = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def test_a_token_is_found_by_its_secret(tmp_path: Path) -> None:
    """The file holds a hash that stock tools can make, and no token."""
    path = tmp_path / "tokens.toml"
    secret = new_secret(bytes(range(32)))
    add_token(str(path), "ana", secret, [*READ, parse_grant("append team heads/ana/*")])
    found = read_tokens(str(path)).find(secret, now=NOON)
    assert found is not None
    assert (found.name, [str(grant) for grant in found.grants]) == ("ana", ["read team", "append team heads/ana/*"])
    assert secret not in path.read_text()
    assert hashlib.sha256(secret.encode()).hexdigest() in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret", [None, "", "rst_", "ana", "sha256:" + "0" * 64, "ü"])
def test_others_are_nobody(tmp_path: Path, secret: str | None) -> None:
    """No token, half a token, a name or a hash is no token."""
    path = str(tmp_path / "tokens.toml")
    add_token(path, "ana", new_secret(bytes(32)), READ)
    assert read_tokens(path).find(secret, now=NOON) is None


def test_every_hash_is_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls, all hashes are compared, each by the library's comparison, which takes as long for every byte: time tells nothing."""
    path = str(tmp_path / "tokens.toml")
    secrets = [new_secret(bytes((number,)) * 32) for number in range(5)]
    for number, secret in enumerate(secrets):
        add_token(path, f"token-{number}", secret, READ)
    tokens, compared = read_tokens(path), list[bytes]()
    same = hmac.compare_digest

    def noted(ours: bytes, theirs: bytes) -> bool:
        compared.append(ours)
        return same(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    for secret in (secrets[0], secrets[4], "wrong"):
        compared.clear()
        tokens.find(secret, now=NOON)
        assert compared == [token.digest for token in tokens.all]


def test_a_token_expires(tmp_path: Path) -> None:
    """From its last day on (UTC) it is not valid."""
    path, secret = str(tmp_path / "tokens.toml"), new_secret(bytes(32))
    add_token(path, "ci", secret, READ, expires=date(2026, 2, 1))
    tokens = read_tokens(path)
    assert tokens.find(secret, now=NOON) is not None
    assert tokens.find(secret, now=NOON + 12 * 3_600_000_000) is None


def test_a_token_is_taken_back(tmp_path: Path) -> None:
    """Its entry goes; the others and what people wrote stay."""
    path = tmp_path / "tokens.toml"
    for name in ("ana", "bob", "ci"):
        add_token(str(path), name, new_secret(name.encode().ljust(32)), READ)
    path.write_text(path.read_text().replace("[ci]", "# the machine\n[ci]"))
    remove_token(str(path), "bob")
    assert [token.name for token in read_tokens(str(path)).all] == ["ana", "ci"]
    assert "# Who may call" in path.read_text()
    with pytest.raises(NotFound):
        remove_token(str(path), "bob")


def test_anyone_needs_no_token(tmp_path: Path) -> None:
    """What stands under anyone holds for callers without a token, and not for those with a wrong one."""
    path = tmp_path / "tokens.toml"
    path.write_text('[anyone]\nmay = ["read team"]\n')
    tokens = read_tokens(str(path))
    found = tokens.find(None, now=NOON)
    assert found is not None
    assert found.rights("team").read("heads/main")
    assert tokens.find("wrong", now=NOON) is None


@pytest.mark.parametrize(
    "text",
    [
        "ana = 1",
        "[ana]\nmay = []",
        '[ana]\nhash = "md5:1"\nmay = []',
        f'[ana]\nhash = "sha256:{"0" * 64}"\nmay = "read team"',
        f'[ana]\nhash = "sha256:{"0" * 64}"\nmay = ["own team"]',
        f'[ana]\nhash = "sha256:{"0" * 64}"\nmay = []\nexpires = "soon"',
        f'[ana]\nhash = "sha256:{"0" * 64}"\nmay = []\nadmin = true',
        f'[anyone]\nhash = "sha256:{"0" * 64}"\nmay = []',
        '["a b"]\nmay = []',
        "[ana",
    ],
)
def test_a_file_that_is_wrong_lets_nobody_in(tmp_path: Path, text: str) -> None:
    """A mistake is told with the name of the token, never read as something else."""
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InvalidInput) as refused:
        read_tokens(str(path))
    assert refused.value.kind == "bad-tokens"


def test_a_file_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    """Who can write it could let himself in."""
    path = tmp_path / "tokens.toml"
    add_token(str(path), "ana", new_secret(bytes(32)), READ)
    path.chmod(0o666)
    with pytest.raises(InvalidInput):
        read_tokens(str(path))


def test_names_that_are_taken_or_bad(tmp_path: Path) -> None:
    """Two tokens of one name could not be told apart in the log."""
    path = str(tmp_path / "tokens.toml")
    add_token(path, "ana", new_secret(bytes(32)), READ)
    for name in ("ana", "anyone", "a b", "", "[x]"):
        with pytest.raises(InvalidInput):
            add_token(path, name, new_secret(bytes(range(32))), READ)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The error names the command."""
    with pytest.raises(NoStore) as missing:
        read_tokens(str(tmp_path / "none.toml"))
    assert "token add" in (missing.value.hint or "")


def test_changes_are_seen_at_once(tmp_path: Path) -> None:
    """A file is read again when it was replaced; one that went bad or away lets nobody in."""
    path, secret = tmp_path / "tokens.toml", new_secret(bytes(32))
    add_token(str(path), "ana", new_secret(b"a" * 32), READ)
    file = TokenFile(str(path))
    assert file.current().find(secret, now=NOON) is None
    add_token(str(path), "bob", secret, READ)
    assert file.current().find(secret, now=NOON) is not None
    path.write_text("[ana")
    with pytest.raises(InvalidInput):
        file.current()
    path.unlink()
    with pytest.raises(NoStore):
        file.current()
