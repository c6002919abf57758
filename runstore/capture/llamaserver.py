"""A program: a model file behind llama.cpp's server, which speaks OpenAI's API, on loopback, until its stdin ends.

`python -P llamaserver.py FILE NAME` prints the URL once it serves. In a process of its own, since the server writes to the terminal and
ends with its process. Needs `xllamacpp` alone.
"""

import sys


def main(path, name):  # type: ignore[no-untyped-def]
    """Serve."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {name}
    params.n_ctx = 2048
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[no-untyped-call]
