"""The one call: builder, data, a few trainings → a statement of uncertainty for every prediction."""

from lnescape.statement.page import Statement
from lnescape.statement.state import state

__all__ = ["Statement", "state"]
