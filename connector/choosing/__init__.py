"""Choosing from the lists of an app: what a person sees, and which value a name stands for."""

from connector.choosing.chooser import Chooser, Listing, Reader, source_of
from connector.choosing.options import Option, pick
from connector.rendering import needs_of

__all__ = ["Chooser", "Listing", "Option", "Reader", "needs_of", "pick", "source_of"]
