"""The pytest plugin: the model calls of tests are answered from recordings beside them, and recorded when asked for."""
