"""Every node of ours passes the kit that we give to others."""

from __future__ import annotations

from pathlib import Path

from connector.testing import conformance

test_fatture_in_cloud = conformance(app="fatture_in_cloud", folder=Path(__file__).parent)
test_perfex_crm = conformance(app="perfex_crm", folder=Path(__file__).parent)
