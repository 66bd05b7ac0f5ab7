"""Studies: grids of experiments that survive being killed, on any executor, and their stored results."""

from lnescape.study.cells import Cell, Kind, Study, StudyError, register, trainings
from lnescape.study.reading import read_study
from lnescape.study.running import run_study

__all__ = ["Cell", "Kind", "Study", "StudyError", "read_study", "register", "run_study", "trainings"]
