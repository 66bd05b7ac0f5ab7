"""Reported numbers: an estimate with its uncertainty, stored results, provenance, live records."""

from lnescape.results.estimate import Estimate, normalised_error
from lnescape.results.files import ResultError
from lnescape.results.kept import (
    Result,
    figures_folder,
    list_results,
    live_folder,
    load_result,
    project_folder,
    provenance,
    results_folder,
    save_result,
)
from lnescape.results.live import PROFILES, Record, keep_reference, profile, record

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
