"""Bisect: of all that differs between a good and a bad run, the change that did it; and along a log, where it went bad."""
