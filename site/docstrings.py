"""Make docstrings, which are written half in Markdown for people at a prompt, ready for Sphinx, and link them.

An extension of Sphinx, used by `conf.py`. It runs after napoleon, which has turned the Google sections into fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ABSOLUTE = re.compile(r"\|(?=\S)([^|]+?)(?<=\S)\|")  # |a − b|, an absolute value, would be a substitution
STARS = re.compile(r"(?<!\*)\*\*(?=\w+[,)])")  # f(**options) would begin bold type
DEFAULTS = (  # of arguments; a signature that is not Python is set without links
    (r"<(?:function <lambda>|factory)[^>]*>", "..."),
    (r"<function (\w+)[^>]*>", r"\1"),
    (r"(= [A-Z]\w*)\(\w+=[^()]*\)", r"\1(...)"),
)
KINDS = {"class", "exception", "function", "data"}
# napoleon takes what stands before the first colon of Returns for a type; here types stand in the signature
TYPED = re.compile(r"^:returns: (?:\*(.+?)\*|(.+?`.+?)) -- ")
SUBSCRIPT = re.compile(
    r"(?<![\w`.])((?:sup|max|var|own|RSS|[^\W\d_])[\u0300-\u036f]*²?)_(?:\{([^{}]*)\}|([a-zA-Zα-ω]{1,3}))(?![a-zA-Z0-9_`])"
)
WHOLE = re.compile(r"(?<=\d) (?=%|\d{3}\b)")  # 5 % and 7 000 are not broken at the end of a line
SUPERSCRIPT = re.compile(r"\^(?:\{([^{}]*)\}|\(([^()]*)\))")
CODE = re.compile(r"(``.*?``|`[^`]*`|^\s*:\w+ [^:]*:)")  # and the name of a field
PLURAL = re.compile(r"`(\w+)`(?=\w)")  # `Estimate`s: the mark must end at the word's end


def _table(rows: list[str]) -> list[str]:
    """Return a Markdown table, which begins at the margin, as reStructuredText."""
    made = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        if not row.startswith("|--"):
            first, *others = (cell.strip() for cell in row.strip("|").split("|"))
            made += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return ["", *made, ""]


def typeset(line: str) -> str:
    """Set the indices and exponents of a line of prose, such as v_k, θ_{k≠c} or e^(−x), below and above the line."""
    parts = CODE.split(line)
    for k in range(0, len(parts), 2):
        below = SUBSCRIPT.sub(lambda m: rf"{m[1]}\ :sub:`{m[2] or m[3]}`\ ", parts[k])
        above = SUPERSCRIPT.sub(lambda m: rf"\ :sup:`{m[1] or m[2]}`\ ", below)
        parts[k] = WHOLE.sub("\N{NO-BREAK SPACE}", above)
    return "".join(parts)


def prepare(app, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Rewrite the lines of one docstring in place."""
    if what == "data":  # the docstring of a dict would be that of `dict`
        named = [f"``{key}``" for key in thing] if isinstance(thing, Mapping | tuple) else [f"``{thing!r}``"]
        lines[:] = [", ".join(named) + ".", ""]
        return
    made, table, example = [], [], False
    for line in [*lines, ""]:
        bare = line.strip()
        example = bool(bare) and (example or bare.startswith(">>>"))
        if line.startswith(("| ", "|--")):
            table.append(line)
            continue
        if table:
            made, table = made + _table(table), []
        if not example:
            line = TYPED.sub(lambda m: f":returns: {m[1] or m[2]}: ", line)
            line = typeset(STARS.sub(r"\*\*", PLURAL.sub(r"`\1`\\ ", ABSOLUTE.sub(r"\|\1\|", line))))
        made.append(line)
    lines[:] = made


def shorten(app, what: str, name: str, thing, options, signature: str | None, returned: str | None):
    """Replace defaults that are functions or objects by their names."""
    for pattern, short in DEFAULTS:
        signature = re.sub(pattern, short, signature) if signature else signature
    return signature, returned


def resolve(app, env, node, contnode):
    """Link a name to its entry, such as `lnescape.results.estimate.Estimate` to that of `lnescape.Estimate`."""
    if node.get("refdomain") != "py":
        return None
    domain, last = env.domains["py"], node["reftarget"].split(".")[-1]
    known = [name for name, thing in domain.objects.items() if name.split(".")[-1] == last and thing.objtype in KINDS]
    known = [name for name in known if not name.startswith("lnescape.plots.")]  # arguments are called like figures
    if len(known) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", known[0], node, contnode)


def is_foreign(app, what: str, name: str, thing, skip: bool, options) -> bool | None:
    """Leave out members from other packages, such as a loss of PyTorch that is the default of a field."""
    return None if getattr(thing, "__module__", None) is None or thing.__module__.startswith("lnescape") else True


def setup(app) -> dict:
    """Connect the above to Sphinx."""
    app.connect("autodoc-process-docstring", prepare)
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-skip-member", is_foreign)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
