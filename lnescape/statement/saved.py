"""A statement as one sealed file: written by `Statement.save`, read by `load_statement`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnescape.checks import real
from lnescape.results.estimate import float_from_json, float_to_json
from lnescape.results.files import loading, save
from lnescape.retraining import Diagnosis, Evaluation, Prior
from lnescape.statement.page import EVALUATIONS, ROWS, Statement

ARRAYS = (*ROWS, "limits")
OF_PRIOR = ("coefficients", "centre", "width", "squared")  # its arrays
TEXTS = ("units", "groups", "notes", "classes", "outputs", "ids")
_PARTS = (*EVALUATIONS, "prior", "diagnosis", "left_out", "origin")
PLAIN = tuple(one.name for one in fields(Statement) if one.name not in (*ARRAYS, *_PARTS))


def keep(stated: Statement, path: Path) -> None:
    """Write a statement to a file; raise ResultError where that is impossible."""
    real(stated.level, "level", above=0, below=1)  # one that was replaced
    plain = {name: getattr(stated, name) for name in PLAIN} | {"left_out": dict(stated.left_out)}
    plain |= {"origin": list(stated.origin.items())}  # in their order
    diagnosis = stated.diagnosis
    plain["diagnosis"] = [diagnosis.messages, diagnosis.p_values, float_to_json(diagnosis.factor)]
    plain["prior"] = {name: value for name, value in vars(stated.prior).items() if name not in OF_PRIOR}
    arrays = {name: getattr(stated, name) for name in ARRAYS}
    for name in EVALUATIONS:
        if (one := getattr(stated, name)) is not None:
            plain[name] = [one.dof, one.n]
            arrays |= {f"{name}.mean": one.mean, f"{name}.scale": one.scale}
    arrays |= {f"prior.{name}": getattr(stated.prior, name) for name in OF_PRIOR}
    known = {name: np.array(values) for name, values in arrays.items() if values is not None}
    save(path, "statement", plain, {name: torch.from_numpy(values) for name, values in known.items()})


def read_back(path: Path) -> Statement:
    """Read a statement; raise ResultError where the file is missing, damaged or of another kind."""
    with loading(path, "statement", cure="write it again with stated.save(path).") as (facts, tensors):
        stated = _made(facts, {name: tensor.numpy() for name, tensor in tensors.items()})
        str(stated), stated.sentence(0)  # raise where it cannot be printed
        return stated


def _made(facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Statement:
    """Make a statement from the content of a file; raise unless its parts belong together."""
    plain: dict[str, Any] = {name: tuple(map(str, facts[name])) if name in TEXTS else facts[name] for name in PLAIN}
    messages, p_values, factor = facts["diagnosis"]
    of_prior: dict[str, Any] = facts["prior"] | {"names": tuple(map(str, facts["prior"]["names"]))}
    of_prior |= {name: arrays[f"prior.{name}"] for name in OF_PRIOR}
    plain |= {name: arrays.get(name) for name in ARRAYS}
    for name in (one for one in EVALUATIONS if one == "evaluation" or one in facts):
        dof, n = facts[name]
        plain[name] = Evaluation(arrays[f"{name}.mean"], arrays[f"{name}.scale"], float(dof), int(n))
    stated = Statement(
        **plain,
        left_out={str(name): str(why) for name, why in facts["left_out"].items()},
        origin={str(name): str(what) for name, what in facts["origin"]},
        diagnosis=Diagnosis(tuple(map(str, messages)), dict(p_values), float_from_json(factor)),
        prior=Prior(**of_prior),
    )
    rows, k = len(stated.ids), len(stated.units)
    shape = (rows, k) if stated.outputs else (rows,)
    of_each = [name for name in arrays if name.split(".")[0] in EVALUATIONS]
    wrong = [name for name in of_each if arrays[name].shape != shape or arrays[name].dtype != np.float64]
    wrong += [name for name in ROWS if name in arrays and arrays[name].shape[:1] != (rows,)]
    if wrong or not k or len(stated.outputs) not in (0, k):
        raise ValueError(f"its parts don't belong together: {', '.join(wrong) or 'units'}")
    return stated
