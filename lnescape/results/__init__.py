"""Reported numbers: an estimate with its uncertainty, stored results and their provenance, the format of kept files."""

from lnescape.results.estimate import Estimate, normalised_error
from lnescape.results.files import ResultError
from lnescape.results.kept import (
    Result,
    list_results,
    load_result,
    project_folder,
    provenance,
    results_folder,
    save_result,
)

__all__ = [
    "Estimate", "Result", "ResultError", "list_results", "load_result", "normalised_error", "project_folder",
    "provenance", "results_folder", "save_result",
]  # fmt: skip
