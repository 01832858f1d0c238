"""Expressions: Jinja syntax, read by Jinja's parser, worked out by a bounded evaluator of ours.

A template is treated as a hostile program and its data as hostile too: there is nothing to call but
a fixed table of functions, nothing to reach but plain values, and a limit on everything.
"""

from connector.expressions.expression import Expression, compile_expression, evaluate
from connector.expressions.filter import Filter
from connector.expressions.filters import default_filters
from connector.expressions.limits import Budget

__all__ = [
    "Budget",
    "Expression",
    "Filter",
    "compile_expression",
    "default_filters",
    "evaluate",
]
