"""pyproject.toml says what is needed; environment.yml and constraints.txt agree with it."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

import lnescape

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAMES = {"torch": "pytorch"}  # where conda-forge calls a package otherwise
NOT_FROM_CONDA = {"typst", "pre-commit-hooks", "playwright"}  # in the pip section
ENVIRONMENT = ROOT / "environment.yml"


def bounds(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def needed(*extras: str) -> dict[str, set[str]]:
    lines = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    return {Requirement(line).name: bounds(str(Requirement(line).specifier)) for line in lines}


def test_environment_names_the_same_packages_with_the_same_bounds():
    listed = yaml.safe_load(ENVIRONMENT.read_text())["dependencies"]
    specs = [re.match(r"([\w.-]+)(.*)", line).groups() for line in listed if isinstance(line, str)]
    conda = {name: bounds(rest) for name, rest in specs}
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert conda.pop("python") == bounds(PROJECT["requires-python"])
    assert conda.pop("pip") == set()
    wanted = needed("notebooks", "report", "test")
    assert conda == {CONDA_NAMES.get(n, n): b for n, b in wanted.items() if n not in NOT_FROM_CONDA}
    found = {Requirement(line).name: bounds(str(Requirement(line).specifier)) for line in pip if line != "-e ."}
    assert found == {name: wanted[name] for name in NOT_FROM_CONDA}
    assert "-e ." in pip


def test_every_line_of_the_environment_is_a_conda_spec_with_a_reason():
    for line in yaml.safe_load(ENVIRONMENT.read_text())["dependencies"]:
        if isinstance(line, str):
            assert MatchSpec(line).name is not None
    entries = [line for line in ENVIRONMENT.read_text().splitlines() if re.match(r"\s+- (?!pip:)", line)]
    assert len(entries) > 20
    assert [line for line in entries if not re.search(r" # \w.{5,}", line)] == []


def test_torch_and_torchvision_are_capped_together():
    core = needed()
    assert any(bound.startswith("<") for bound in core["torch"])
    assert any(bound.startswith("<") for bound in core["torchvision"])


@pytest.mark.parametrize("group", ["core", *EXTRAS])
def test_every_dependency_is_pinned_within_its_bounds(group):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for line in PROJECT["dependencies"] if group == "core" else EXTRAS[group]:
        requirement = Requirement(line)
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"constraints.txt does not pin {requirement.name}"
        assert requirement.specifier.contains(version), f"{requirement} excludes the pinned {version}"


def test_the_version_is_stated_once_and_cited():
    assert PROJECT["dynamic"] == ["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == lnescape.__version__
    assert f"## {lnescape.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(("given", "used"), [("C", "C.UTF-8"), ("POSIX", "C.UTF-8"), ("de_DE.UTF-8", "de_DE.UTF-8")])
def test_make_starts_python_where_paths_with_accents_can_be_read(given, used):
    command = ["make", "--silent", "--eval", "show: ; @echo $$LC_ALL", "show"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"LC_ALL": given}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == used
