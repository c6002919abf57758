"""Changing the refs of a root: in the root itself while they are few, else in pages of at most 1,000. Only pages touched are written."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runstore.model.ids import Link
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.root import PAGE, Page, Root, check_twins, page_bytes, sealed_check

Changes = Mapping[str, Link | None]
"""New targets by full name; None: the ref goes."""


def change_refs(bucket: Bucket, root: Root, changes: Changes, *, now: int) -> Root:
    """Return the root with refs changed; pages that are replaced are retired. Raises Refused for names that differ in case alone."""
    if not root.pages:
        refs = _changed(root.refs, changes)
        check_twins(refs)
        if len(refs) <= PAGE:
            return root._replace(refs=refs)
        return root._replace(refs={}, pages=tuple(_write(bucket, refs)))
    check_twins(_changed(bucket.refs(root), changes))
    pages: list[Page] = []
    retired: list[Page] = []
    for number, page in enumerate(root.pages):
        after = root.pages[number + 1].first if number + 1 < len(root.pages) else None
        own = {name: link for name, link in changes.items() if (not number or name >= page.first) and (after is None or name < after)}
        if not own:
            pages.append(page)
            continue
        retired.append(page)
        pages += _write(bucket, _changed(bucket.page(page), own))
    if sum(page.refs for page in pages) <= PAGE:
        refs = {name: link for page in pages for name, link in bucket.page(page).items()}
        retired += [page for page in pages if page in root.pages]
        return _retire(root._replace(pages=(), refs=refs), retired, now)
    return _retire(root._replace(pages=tuple(pages)), retired, now)


def _changed(refs: Mapping[str, Link], changes: Changes) -> dict[str, Link]:
    found = {**refs, **changes}
    return {name: link for name in sorted(found) if (link := found[name]) is not None}


def _write(bucket: Bucket, refs: dict[str, Link]) -> list[Page]:
    """Put refs into as many pages as they need, all of about the same size."""
    names = sorted(refs)
    count = -(-len(names) // PAGE)
    found: list[Page] = []
    for number in range(count):
        part = names[number * len(names) // count : (number + 1) * len(names) // count]
        data = page_bytes({name: refs[name] for name in part})
        page = Page(os.urandom(16).hex(), sealed_check(data), part[0], len(part))
        bucket.files.put(page.path, data)
        found.append(page)
    return found


def _retire(root: Root, pages: list[Page], now: int) -> Root:
    return root._replace(retired=(*root.retired, *((page.path, now) for page in pages)))
