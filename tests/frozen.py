"""What no change of the code may move: names of cells, the words of a recipe, stored results as they are read.

`python -m tests.frozen` prints what is there now. With `--write` it is written down, for the tests to compare: after
a study was added, or computed again on purpose.
"""

import hashlib
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np

import lnescape as ln

FROZEN = Path(__file__).with_name("frozen.json")
RESULTS = Path(__file__).resolve().parent.parent / "report" / "results"


def short(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def stored(name: str, folder: Path) -> str:
    """Hash the arrays of one result as they are read: names, types, shapes, numbers."""
    digest = hashlib.sha256()
    for key, array in sorted(ln.load_result(name, folder=folder).arrays.items()):
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def arrays(study) -> str:
    """Hash a fixed sample of the stored cells (a third, by the last digit of the name) and the summary."""
    sample = [cell.name for cell in study.cells if int(cell.name[-1], 16) % 3 == 0]
    places = [(name, RESULTS / study.folder) for name in sample] + [(study.name, RESULTS)]
    there = sorted((name, folder) for name, folder in places if (folder / f"{name}.json").is_file())
    return short("\n".join(f"{name} {stored(name, folder)}" for name, folder in there))


def now() -> str:
    """Describe the recipe, and for each study its cells' names and its stored arrays."""
    from report.studies.catalogue import STUDIES

    studies = {name: [short("\n".join(c.name for c in s.cells)), arrays(s)] for name, s in STUDIES.items()}
    rows = ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in studies.items())
    return f'{{"recipe": {json.dumps(json.dumps(ln.Recipe().describe()))},\n "studies": {{\n{rows}\n}}}}\n'


if __name__ == "__main__":
    if "--write" in sys.argv:
        FROZEN.write_text(now(), encoding="utf-8")
    else:
        sys.stdout.write(now())
