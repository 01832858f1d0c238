"""Everything there is to build flows from, as one object that is only read."""

from connector.catalog.catalog import RESOURCE, Catalog, input_fields, load_catalog

__all__ = ["RESOURCE", "Catalog", "input_fields", "load_catalog"]
