"""Where stored results, figures and live records lie."""

import os
from pathlib import Path


def project_folder() -> Path:
    """Find the folder that holds `report/`.

    Returns:
        `$LNESCAPE_HOME` where it is set; else the nearest of the working folder and its parents
        that holds `report/results`; else the working folder.
    """
    home = os.environ.get("LNESCAPE_HOME")
    if home:
        return Path(home).expanduser()
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "report" / "results").is_dir()), here)


def results_folder() -> Path:
    """Name the folder of stored results.

    Returns:
        `report/results` of the project; the folder need not exist yet.
    """
    return project_folder() / "report" / "results"


def figures_folder() -> Path:
    """Name the folder of the report's figures.

    Returns:
        `report/figures` of the project; the folder need not exist yet.
    """
    return project_folder() / "report" / "figures"


def live_folder() -> Path:
    """Name the folder of what was computed on this machine just now; git ignores it.

    Returns:
        `report/live` of the project; the folder need not exist yet.
    """
    return project_folder() / "report" / "live"
