"""Names while compiling: variables of loops and `set`, and what is read from the context."""

from __future__ import annotations

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.lookups import Key

RESERVED = frozenset({"loop", "now"})


class Names:
    """Gives every variable a number, and collects the places of the context that are read."""

    def __init__(self) -> None:
        self.slots = 0
        self._scopes: list[dict[str, int]] = [{}]
        self.references: dict[str, int] = {}
        """Dotted path → offset of its first use."""
        self.roots: dict[str, int] = {}
        """Root name → offset of its first use."""

    def find(self, name: str) -> int | None:
        """The number of a variable that is in scope here."""
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def read(self, keys: tuple[Key, ...], offset: int) -> None:
        """Note that a place of the context is read."""
        self.references.setdefault(paths.join(keys), offset)
        self.roots.setdefault(str(keys[0]), offset)

    def enter(self) -> int:
        """Open the scope of a loop; gives the first number of its variables."""
        self._scopes.append({})
        return self.slots

    def leave(self) -> None:
        """Close the innermost scope."""
        self._scopes.pop()

    def bind(self, name: str) -> int:
        """A variable of the innermost scope."""
        scope = self._scopes[-1]
        if name not in scope:
            scope[name] = self.slots
            self.slots += 1
        return scope[name]

    def assign(self, name: str, offset: int) -> int:
        """A variable for `set`, which may only make new names."""
        if name in RESERVED or name in self.roots:
            raise ExpressionError(
                f"'{name}' is taken: {{% set %}} can only make new names.",
                remedy="Choose another name.",
                offset=offset,
            )
        outer = any(name in scope for scope in self._scopes[:-1])
        if outer:
            raise ExpressionError(
                f"A loop cannot change '{name}', which was made outside of it.",
                remedy="Use a filter such as sum, join or map instead.",
                offset=offset,
            )
        return self.bind(name)
