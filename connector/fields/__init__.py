"""Schemas and the fields they mean: the only source of what a node takes and gives."""

from connector.fields.store import SchemaStore, Validator

__all__ = ["SchemaStore", "Validator"]
