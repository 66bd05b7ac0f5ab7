"""Studies: grids of experiments that survive being killed, on any executor, and their stored results."""

from lnescape.study.catalogue import STUDIES, study_named
from lnescape.study.cells import RECIPE_VERSION, Cell, Study, StudyError
from lnescape.study.cluster import dask_executor
from lnescape.study.experiments import trainings
from lnescape.study.reading import read_study
from lnescape.study.running import run_study
from lnescape.study.store import CellStore

__all__ = [
    "RECIPE_VERSION",
    "STUDIES",
    "Cell",
    "CellStore",
    "Study",
    "StudyError",
    "dask_executor",
    "read_study",
    "run_study",
    "study_named",
    "trainings",
]
