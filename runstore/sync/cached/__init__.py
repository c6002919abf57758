"""A bucket as the store itself: a local cache answers every query and takes every write at once; groups of runs go to the bucket.

Source: docs/design/0007-object-storage.md, "The store itself"; what is promised: docs/reliability.md.
"""
