"""How large the house is: lines and files of both buildings, public names, modules of the README's nine lines."""

import contextlib
import io
import re
import statistics
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def building(folder: str) -> tuple[int, int, int]:
    """Count the files and lines of a folder's sources, and their median length."""
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in sorted((ROOT / folder).rglob("*.py"))]
    return len(lines), sum(lines), int(statistics.median(lines))


def modules_of_nine_lines() -> int:
    """Run the README's first lines in Python, and count the modules of the library that are there then."""
    (lines,) = re.findall(r"```python\n(import lnescape.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[:1]
    quiet = io.StringIO()
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        exec(compile(lines, "README.md", "exec"), {})
    return len([name for name in sys.modules if name.split(".")[0] == "lnescape"])


if __name__ == "__main__":
    both = 0
    for folder in ("lnescape", "report/studies"):
        files, lines, median = building(folder)
        both += lines
        print(f"{folder:15} {files:4} files {lines:7} lines, median {median}")
    print(f"{'together':15} {both:18} lines")
    import lnescape

    print(f"{len(lnescape.__all__)} public names")
    print(f"{modules_of_nine_lines()} modules of lnescape for the README's nine lines (trained now: half a minute)")
