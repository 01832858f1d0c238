"""Choosing from the lists of an app: what a person sees, and which value a name stands for."""

from connector.choosing.chooser import Chooser, Listing, Reader
from connector.choosing.options import Option, pick

__all__ = ["Chooser", "Listing", "Option", "Reader", "pick"]
