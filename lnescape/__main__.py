"""`python -m lnescape`: the command line."""

from lnescape.cli import main

if __name__ == "__main__":
    main(prog_name="lnescape")
