"""The directory that `runstore exec` puts on a program's PYTHONPATH: Python loads `sitecustomize` from it, and nothing else is in it."""
