"""The statement: a value for every input with the uncertainty that retraining gives it, to look at, keep and sign."""

from lnescape.statement.arrays import state_arrays
from lnescape.statement.call import state
from lnescape.statement.page import Statement, load_statement

__all__ = ["Statement", "load_statement", "state", "state_arrays"]
