"""Reported numbers: an estimate with its uncertainty, stored results, provenance, live records."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """Import the records of notebooks when they are first used."""
    if name in __all__:
        return getattr(import_module("lnescape.results.live"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
