"""Stores in a bucket: immutable packs, and one root that lists them and the refs and is moved by conditional put.

The same layout lies in object storage, in a plain directory, and behind a static web server (which is only read).
Source: docs/spec/bucket.md.
"""
