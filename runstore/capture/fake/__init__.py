"""A provider that is none: answers calls of the common APIs on loopback, for demonstrations and tests. Nothing leaves the machine."""
