"""Reported numbers: an estimate with its uncertainty, stored results, provenance, live records."""

from lnescape.results.estimate import Estimate, normalised_error
from lnescape.results.folders import figures_folder, live_folder, project_folder, results_folder
from lnescape.results.live import PROFILES, Record, keep_reference, profile, record
from lnescape.results.provenance import provenance
from lnescape.results.store import Result, ResultError, list_results, load_result, save_result

__all__ = [
    "PROFILES",
    "Estimate",
    "Record",
    "Result",
    "ResultError",
    "figures_folder",
    "keep_reference",
    "list_results",
    "live_folder",
    "load_result",
    "normalised_error",
    "profile",
    "project_folder",
    "provenance",
    "record",
    "results_folder",
    "save_result",
]
