"""One module a command, each with its `COMMAND`: the declaration (cli/declare.py) and the function that runs it."""
