"""Run all notebooks here, then typeset the report and the run sheet.

Run from the project's root: ``python -m report.build [--profile quick]``, or ``make report``. The report is made from
stored results and figures alone, the run sheet from what the notebooks recorded a moment ago on this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from notebooks.execution import MINUTES, Outcome, execute_all, find_sources, write_file
from report.studies.pairs import for_typesetting

HERE = Path(__file__).resolve().parent
LIVE = HERE / "live"
REPORT = HERE / "report.pdf"
RUN_SHEET = LIVE / "run_sheet.pdf"
MOST_DOF = 200  # degrees of freedom for which Student's factor is passed on


class TypesettingError(RuntimeError):
    """A document has an error or a warning; the message holds the compiler's words."""


def compile_pdf(source: Path) -> bytes:
    """Typeset one document with the fonts that the compiler carries, so that every machine gives the same bytes."""
    import typst

    try:
        compiler = typst.Compiler(
            str(source), root=str(source.parent.parent), ignore_system_fonts=True,
            sys_inputs=inputs_of_sources(),
        )  # fmt: skip
        pdf, warnings = compiler.compile_with_warnings(format="pdf")
    except typst.TypstError as error:
        raise TypesettingError(f"{source.name} cannot be typeset: {error.diagnostic.strip()}") from error
    if warnings:
        raise TypesettingError(f"{source.name}: {'; '.join(warning.diagnostic.strip() for warning in warnings)}")
    return pdf


def inputs_of_sources() -> dict[str, str]:
    """Return what the sources read beside stored results: pairs, and Student's factors at 95 % for ν = 1, 2, …."""
    from scipy.stats import t

    students = t.ppf(0.975, range(1, MOST_DOF + 1)).tolist()
    return {name: json.dumps(content) for name, content in (for_typesetting() | {"students": students}).items()}


def clear() -> None:
    """Remove what an earlier run recorded, so that nothing of it passes for this one's; trainings kept there stay."""
    shutil.rmtree(LIVE / "notebooks", ignore_errors=True)
    for path in [*LIVE.glob("*.json"), *LIVE.glob("*.svg"), *LIVE.glob("*.pdf")]:
        path.unlink()


def write_index(outcomes: list[Outcome], *, profile: str, jobs: int, seconds: float) -> None:
    """Tell the run sheet, which cannot list a folder, what ran and which records and figures lie in ``live``."""
    notebooks = []
    for outcome in outcomes:
        record = LIVE / f"{outcome.name}.json"
        names = json.loads(record.read_bytes())["numbers"]["figures"] if record.is_file() else []
        entry = {"name": outcome.name, "seconds": round(outcome.seconds, 1), "error": outcome.error}
        entry["record"] = f"live/{record.name}" if record.is_file() else None
        entry["figures"] = [f"live/{name}.svg" for name in names if (LIVE / f"{name}.svg").is_file()]
        notebooks.append(entry)
    index = {"profile": profile, "jobs": jobs, "seconds": round(seconds, 1), "notebooks": notebooks}
    write_file(LIVE / "index.json", (json.dumps(index, indent=1, sort_keys=True) + "\n").encode())


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=HERE.parent, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def compare(pdf: bytes) -> str:
    """Say in a few words whether the report is, byte for byte, the committed one."""
    committed = _git("show", "HEAD:report/report.pdf")
    if committed is None:
        return "there is no committed report here to compare it with"
    if committed == pdf:
        return "identical to the committed one, byte for byte"
    changed = (_git("diff", "--name-only", "HEAD", "--", "report") or b"").decode().split()
    causes = [name for name in changed if name != "report/report.pdf"]
    why = f"changed here: {', '.join(causes)}" if causes else "its sources are the same: another version of Typst?"
    return f"NOT identical to the committed one ({why})"


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks and typeset both documents; the exit status is 0 where everything succeeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=list(MINUTES), default="quick")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks that run at the same time")
    options = parser.parse_args(arguments)

    start = time.monotonic()
    clear()
    sources = find_sources()
    parameters = {"profile": options.profile}
    outcomes = execute_all(sources, LIVE / "notebooks", parameters=parameters, jobs=options.jobs)
    write_index(outcomes, profile=options.profile, jobs=options.jobs, seconds=time.monotonic() - start)

    print("Typesetting the report and the run sheet.")
    problems = [f"notebook {outcome.name}: {outcome.error}" for outcome in outcomes if outcome.error]
    for name, source, target in (("report", "report.typ", REPORT), ("run sheet", "run_sheet.typ", RUN_SHEET)):
        try:
            pdf = compile_pdf(HERE / source)
        except TypesettingError as error:
            problems.append(f"{name}: {error}")
            continue
        write_file(target, pdf)
        remark = f"   {compare(pdf)}" if target == REPORT else ""
        print(f"  {name:<10} {target}{remark}")
    print(f"  notebooks  {LIVE / 'notebooks'}")
    print(f"{len(problems)} problems in {time.monotonic() - start:.0f} s.")
    for problem in problems:
        print(f"  {problem}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
