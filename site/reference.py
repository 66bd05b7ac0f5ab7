"""The pages of the reference, from the package itself: a new public name or command appears by itself."""

from __future__ import annotations

import importlib
import inspect

import click
from docstrings import typeset

import lnescape
from lnescape.cli import main as command_line

# The rooms in the order of the story, with what each is about; a room that is not named here comes last.
ROOMS = {
    "data": "Data",
    "networks": "Networks",
    "weights": "Weights: θ",
    "training": "Training",
    "subspaces": "Subspaces",
    "laws": "Laws: ways to many networks",
    "scores": "Scores",
    "landscape": "Landscape",
    "methods": "Methods",
    "retraining": "Uncertainty due to retraining",
    "statement": "The statement",
    "study": "Studies",
    "results": "Results",
    "plots": "Figures",
}


def public_names() -> dict[str, list[str]]:
    """Return {room: names that `lnescape` offers of it; of the figures, all}, in the order of the story."""
    found = {room: sorted(names) for room, names in lnescape._ROOMS.items() if names or room in ROOMS}
    found["plots"] = list(importlib.import_module("lnescape.plots").__all__)
    return {room: found[room] for room in [*(r for r in ROOMS if r in found), *(r for r in found if r not in ROOMS)]}


def entry(owner: str, name: str) -> str:
    """Return the directive, in reStructuredText, that documents one name of a module."""
    what = getattr(importlib.import_module(owner), name)
    if inspect.isclass(what):
        kind = "exception" if issubclass(what, BaseException) else "class"
        bases = "" if what.__bases__ == (object,) else "   :show-inheritance:\n"
        return f".. auto{kind}:: {owner}.{name}\n{bases}"
    if callable(what):
        return f".. autofunction:: {owner}.{name}\n"
    return f".. autodata:: {owner}.{name}\n   :no-value:\n"


def listing(owner: str, names: list[str]) -> str:
    """Return a table of names, each with its first sentence, then their entries."""
    if not names:
        return ""
    table = "".join(f"   ~{owner}.{name}\n" for name in names)
    return f".. autosummary::\n   :nosignatures:\n\n{table}\n" + "\n".join(entry(owner, name) for name in names)


def reference_pages() -> dict[str, str]:
    """Return {path: reStructuredText} of a page for every room."""
    pages = {}
    for position, (room, names) in enumerate(public_names().items(), start=1):
        module = importlib.import_module(f"lnescape.{room}")
        title = ROOMS.get(room, room)
        owner = module.__name__ if room == "plots" else "lnescape"
        about = "\n".join(map(typeset, (inspect.getdoc(module) or "").splitlines()))
        text = f"{title}\n{'=' * len(title)}\n\n{about}\n\n{listing(owner, names)}"
        more = [name for name in getattr(module, "__all__", []) if name not in names]
        if more:
            heading = f"More in ``{module.__name__}``"
            text += f"\n{heading}\n{'-' * len(heading)}\n\n{listing(module.__name__, more)}"
        pages[f"reference/{position:02d}_{room}.rst"] = text
    return pages


def tried_pages() -> dict[str, str]:
    """Return {path: Markdown} of what the tests try: wrong arguments with what they meet, networks of users."""
    from tests import refusals
    from tests.test_users_networks import NETWORKS, data

    parts = ["# Networks that go through unchanged\n\nEach is taken as it stands by `fit`, `fit_subspace`, `swag` and"]
    parts.append("`state`; a test says so. Inputs reach it in the shape in which they were given.\n")
    for name, (net, inputs) in NETWORKS.items():
        shape = " × ".join(map(str, data(inputs).image_shape))
        size = sum(p.numel() for p in net().parameters() if p.requires_grad)
        source = inspect.getsource(net)
        parts.append(f"## {name}\n\nInputs {shape} ({inputs.__name__}), {size} parameters.\n\n```python\n{source}```\n")
    return {"refusals.md": refusals.page(), "networks.md": "\n".join(parts)}


def commands_page() -> str:
    """Return the `--help` of every command, in Markdown."""
    context = click.Context(command_line, info_name="lnescape", max_content_width=100, terminal_width=100)
    parts = [f"# The command line\n\n```text\n{command_line.get_help(context)}\n```\n"]
    for name, command in command_line.commands.items():
        own = click.Context(command, parent=context, info_name=name, max_content_width=100, terminal_width=100)
        parts.append(f"## `lnescape {name}`\n\n```text\n{command.get_help(own)}\n```\n")
    return "\n".join(parts)
