"""The journal: calls that were seen and are not in the store yet, in files beside it. Standard library alone.

Source: docs/spec/journal.md.
"""
