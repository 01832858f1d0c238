"""An emulated Perfex CRM with the Themesic REST API module."""
