"""Rebuild the committed notebooks: execute the sources and keep what a reader needs, the same bytes every time.

Run from the root of the clone: `python -m notebooks.build [NAME ...] [--profile standard]`, or `make notebooks`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from notebooks.execution import HERE, METADATA, MINUTES, execute_all, find_sources, write_file

KEPT_CELL_METADATA = {"tags", "jupyter"}  # the rest is time stamps and state of an editor
VARYING = re.compile(r" at 0x[0-9a-fA-F]+|, \d+(?:\.\d+)? s here")  # addresses, and seconds of this machine


def normalise(notebook):
    """Remove in place what differs between two runs: times, stderr, injected cells; ids of cells hash their text."""
    from nbformat import NotebookNode, from_dict

    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    notebook.metadata = from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: Counter[str] = Counter()
    count = 0
    for cell in notebook.cells:
        key = f"{cell.cell_type}\n{cell.source}"
        cell.id = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:8]
        seen[key] += 1
        kept = {name: value for name, value in cell.metadata.items() if name in KEPT_CELL_METADATA and value}
        cell.metadata = NotebookNode(kept)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _outputs(cell.outputs, count)
    return notebook


def _outputs(outputs: list, count: int) -> list:
    """Return outputs without stderr, addresses and seconds, adjacent pieces of one stream joined."""
    kept: list = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text = VARYING.sub("", kept[-1].text + output.text)
                continue
            output.text = VARYING.sub("", output.text)
        if "execution_count" in output:
            output.execution_count = count
        for kind, text in output.get("data", {}).items():
            if kind.startswith("text/") and isinstance(text, str):
                output.data[kind] = VARYING.sub("", text)
        kept.append(output)
    return kept


def warnings_in(notebook) -> list[str]:
    """Return lines on stderr that name a warning; progress bars write there as well."""
    lines = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                lines += [line.strip() for line in output.text.splitlines() if "Warning" in line]
    return lines


def take_in_prose(source: Path) -> None:
    """Carry changed prose and comments into an executed notebook without running it; exit if its code has changed."""
    import ast

    import jupytext
    import nbformat

    def code(notebook) -> list:
        return [cell for cell in notebook.cells if cell.cell_type == "code"]

    target = source.with_suffix(".ipynb")
    if not target.is_file():
        raise SystemExit(f"{source.stem} has never been executed; build it without --prose.")
    written, executed = jupytext.read(source), nbformat.read(target, as_version=4)
    trees = [[ast.dump(ast.parse(cell.source)) for cell in code(notebook)] for notebook in (written, executed)]
    if trees[0] != trees[1]:
        raise SystemExit(f"{source.stem}: code has changed since it was executed; build it without --prose.")
    for cell, done in zip(code(written), code(executed), strict=True):
        cell.outputs = done.outputs
    write(normalise(written), target)


def write(notebook, target: Path) -> None:
    """Write a notebook, complete or not at all."""
    import nbformat

    write_file(target, f"{nbformat.writes(notebook).rstrip()}\n".encode())


def main(arguments: list[str] | None = None) -> int:
    """Build the notebooks that are named, or all; return 0 if every one ran to its end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks to build, such as 03_paths; all where none is given")
    parser.add_argument("--profile", choices=list(MINUTES), default="standard")
    parser.add_argument("--prose", action="store_true", help="take in changed text only; run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks that run at the same time")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the sources are and the notebooks go")
    options = parser.parse_args(arguments)

    import nbformat

    sources = find_sources(options.names, options.folder)
    if options.prose:
        for source in sources:
            take_in_prose(source)
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        parameters = {"profile": options.profile}
        for outcome in execute_all(sources, Path(scratch), parameters=parameters, jobs=options.jobs):
            if outcome.error:
                failed += 1
                continue
            notebook = nbformat.read(outcome.path, as_version=4)
            for line in warnings_in(notebook):
                print(f"  {outcome.name} warned: {line}")
            write(normalise(notebook), options.folder / f"{outcome.name}.ipynb")
    built = len(sources) - failed
    print(f"{built} of {len(sources)} notebooks built in {options.folder}; a failed one keeps its former file.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
