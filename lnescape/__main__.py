"""`python -m lnescape`: the command line."""

from lnescape.cli import main

main(prog_name="lnescape")
