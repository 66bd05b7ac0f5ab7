"""Studies: grids of experiments that survive being killed, on any executor, and their stored results."""

from lnescape.study.cells import KINDS, RECIPE_VERSION, Cell, Kind, Study, StudyError, register, trainings
from lnescape.study.reading import read_study
from lnescape.study.running import dask_executor, run_study
from lnescape.study.store import CellStore, queue_named, studies_named, study_named

__all__ = [
    "KINDS",
    "RECIPE_VERSION",
    "Cell",
    "CellStore",
    "Kind",
    "Study",
    "StudyError",
    "dask_executor",
    "queue_named",
    "read_study",
    "register",
    "run_study",
    "studies_named",
    "study_named",
    "trainings",
]
