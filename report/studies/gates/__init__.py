"""Gates: the verdicts of the study plan, computed from stored retrainings, published passed or failed."""

from report.studies.gates.methods import g6
from report.studies.gates.reference import g0, g2
from report.studies.gates.uncertainty import g1, g3, g4, g5, g7, g8, over_pairs
from report.studies.gates.verdict import Verdict

__all__ = ["Verdict", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "over_pairs"]
