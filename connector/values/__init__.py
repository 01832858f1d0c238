"""Making a value fit the field it goes to: strictly, exactly, or with an error that says why not.

Nothing is guessed. `1.234,56` is a number, `1.234` is not: it can mean two things. Money stays
exact: text and floats become `Decimal` by their digits. Errors name the field, the type of the
value and the remedy; they never repeat the value, which may be private, unless it is only digits.
"""

from connector.values.coercion import MAX_DEPTH, Coercer, coerce, coercer, is_blank
from connector.values.misfit import Ambiguous
from connector.values.numbers import MAX_DIGITS, exact, plain

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "Ambiguous",
    "Coercer",
    "coerce",
    "coercer",
    "exact",
    "is_blank",
    "plain",
]
