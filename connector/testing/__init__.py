"""The conformance kit: what every node must hold, ours or a plugin's, in a few lines of pytest.

from connector.testing import conformance

test_bottega = conformance(plugins=[bottega], app="bottega", folder=Path(__file__).parent)
"""

from connector.testing.kit import Check, Kit, conformance
from connector.testing.recorded import Recording, Replay, told

__all__ = ["Check", "Kit", "Recording", "Replay", "conformance", "told"]
