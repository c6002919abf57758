"""`python -m runstore` is the command line."""

from runstore.cli import main

if __name__ == "__main__":
    main()
