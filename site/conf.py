"""How Sphinx reads the pages that `build.py` lays out: stored notebooks, Google docstrings, MathJax shipped."""

import importlib.util
from pathlib import Path

import lnescape

# A package of the `site` extra carries MathJax. This one file needs no other: all of TeX, letters as SVG.
SHIPPED = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
MATHJAX = SHIPPED / "static" / "mathjax" / "tex-svg-full.js"

project = "lnescape"
author = "The lnescape authors"
release = lnescape.__version__
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "docstrings",  # beside this file
]
exclude_patterns = ["README.md"]  # the pages index and guide include it, part by part

# Notebooks: shown as committed, never run.
nb_execution_mode = "off"
nb_code_prompt_show = "Show the solution"  # nothing but solutions is folded
nb_code_prompt_hide = "Hide the solution"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
mathjax_path = MATHJAX.name
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load files that are not shipped

# The reference, from the docstrings; types stand in the signature only.
default_role = "py:obj"  # `name` links to what is documented under that name, and is plain code otherwise
autosummary_generate = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "lnescape"
html_static_path = ["style.css", str(MATHJAX)]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False  # the licence lies beside the sources
