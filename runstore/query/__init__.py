"""Queries: names to objects, the log, differences, searches. Everything here reads one snapshot (a Reader) and changes nothing."""
