"""What a back end must offer; nothing above this floor knows which one runs."""

from connector.store.port.database import Database
from connector.store.port.sides import Keeping, People
from connector.store.port.tenant import Store

__all__ = ["Database", "Keeping", "People", "Store"]
