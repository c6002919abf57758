"""Many refs: pages of at most 1,000, of which a push writes only those that it touches."""

from __future__ import annotations

from pathlib import Path

from runstore.model.ids import Kind, Link
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.connect import open_bucket
from runstore.sync.bucket.pages import change_refs
from runstore.sync.bucket.root import PAGE, Root


def link(number: int) -> Link:
    """Return a link to an execution that nobody has."""
    return Link(Kind.EXECUTION, number.to_bytes(32, "big"))


def many(bucket: Bucket, count: int) -> Root:
    """Give a bucket so many refs; return its root."""
    changes: dict[str, Link | None] = {f"heads/ref-{number:05}": link(number) for number in range(count)}
    return bucket.move(lambda root: change_refs(bucket, root, changes, now=1))


def test_refs_are_paged_when_they_are_many(tmp_path: Path) -> None:
    """Above 1,000 refs, no page has more, and all are read back."""
    bucket = open_bucket(f"dir://{tmp_path}")
    many(bucket, 3500)
    root = open_bucket(f"dir://{tmp_path}").load().root
    assert not root.refs
    assert max(page.refs for page in root.pages) <= PAGE
    assert open_bucket(f"dir://{tmp_path}").refs(root) == {f"heads/ref-{number:05}": link(number) for number in range(3500)}


def test_a_change_writes_one_page(tmp_path: Path) -> None:
    """A ref moved, a ref made and a ref removed touch the pages where they stand; the others stay, and those replaced are retired."""
    bucket = open_bucket(f"dir://{tmp_path}")
    before = many(bucket, 3000)
    changes: dict[str, Link | None] = {"heads/ref-01500": link(7), "heads/ref-01500a": link(8), "heads/ref-01501": None}
    after = bucket.move(lambda root: change_refs(bucket, root, changes, now=5))
    kept = set(before.pages) & set(after.pages)
    assert len(before.pages) - len(kept) == 1
    assert {name for name, _ in after.retired} == {page.path for page in before.pages if page not in kept}
    refs = open_bucket(f"dir://{tmp_path}").refs(after)
    assert refs["heads/ref-01500"] == link(7)
    assert refs["heads/ref-01500a"] == link(8)
    assert "heads/ref-01501" not in refs


def test_few_refs_stand_in_the_root_again(tmp_path: Path) -> None:
    """When most refs go, the pages go too."""
    bucket = open_bucket(f"dir://{tmp_path}")
    many(bucket, 2000)
    gone: dict[str, Link | None] = {f"heads/ref-{number:05}": None for number in range(1500)}
    root = bucket.move(lambda root: change_refs(bucket, root, gone, now=5))
    assert not root.pages
    assert len(root.refs) == 500
