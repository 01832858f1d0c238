"""Mappings: dotted paths on the left, expressions on the right, a checked payload as the result."""

from connector.mapping.compiled import CompiledMapping, compile_mapping
from connector.mapping.report import FieldReport, Mapped

__all__ = ["CompiledMapping", "FieldReport", "Mapped", "compile_mapping"]
