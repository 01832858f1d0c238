"""The one object an embedder holds, and what it is made of."""

from connector.runtime.opening import open_runtime
from connector.runtime.parts import Parts, Tuning
from connector.runtime.runtime import Runtime

__all__ = ["Parts", "Runtime", "Tuning", "open_runtime"]
