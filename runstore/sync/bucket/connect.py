"""The transports that reach a bucket: object storage, a plain directory, and static files behind http. All serve the same layout."""

from __future__ import annotations

import os

from runstore.errors import InvalidInput
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.directory import DirectoryFiles
from runstore.sync.bucket.endpoint import BucketEndpoint
from runstore.sync.bucket.files import Files
from runstore.sync.channel import Channel, LocalChannel
from runstore.sync.connect import Access, Connect
from runstore.sync.urls import Url, parse_url


def connector(url: Url, access: Access) -> Connect:
    """Return what opens a channel to the bucket at a URL. Raises InvalidInput, Unavailable."""
    if url.transport == "http":
        from runstore.sync.bucket.behind import server_or_files
        from runstore.sync.bucket.static import StaticFiles

        static = StaticFiles(url.text)
        return server_or_files(url, access, _channels(static, access), static.is_bucket)
    return _channels(open_files(url), access)


def open_files(url: Url) -> Files:
    """Return the files of the bucket at a URL that can be written to. Raises InvalidInput, Unavailable."""
    if url.transport == "s3":
        from runstore.sync.bucket.s3 import S3Files

        return S3Files(url.text)
    if url.transport in ("dir", "path"):
        return DirectoryFiles(url.text, os.path.abspath(os.path.expanduser(url.path)))
    raise InvalidInput(f"{url.text} names no bucket", hint="s3://bucket/prefix and dir:///path do", kind="bad-url")


def open_bucket(text: str) -> Bucket:
    """Return the bucket at a URL."""
    return Bucket(open_files(parse_url(text)))


def _channels(files: Files, access: Access) -> Connect:
    bucket = Bucket(files)

    def connect() -> Channel:
        endpoint = BucketEndpoint(bucket, now=access.now, actor=access.actor)
        return LocalChannel(endpoint.answer, endpoint.close)

    return connect
