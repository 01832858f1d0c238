"""An emulated Fatture in Cloud."""
