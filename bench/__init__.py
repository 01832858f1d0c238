"""What Connector costs, measured beside a reference of the same run; `python -m bench`."""
