"""What is mutated, and by which tests it must be noticed; the quickest tests come first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Area:
    """Modules that belong together, as paths below the checkout."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def tests_of(self, module: str) -> tuple[str, ...]:
        """All tests, those that are called like the module first."""
        name = f"test_{Path(module).stem}.py"
        return tuple(sorted(self.tests, key=lambda one: Path(one).name != name))


def _below(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names.split())


AREAS = {
    "verifier": Area(
        _below("connector/apps/fatture_in_cloud", "tokens webhooks envelope"),
        (
            "tests/webhooks/test_edges.py",
            "tests/webhooks/test_accepted.py",
            "tests/webhooks/test_refused.py",
            "tests/webhooks/test_with_sandbox.py",
        ),
    ),
    "crypto": Area(
        _below("connector/connections", "vault keys rotation keyring"),
        (
            "tests/connections/test_vault.py",
            "tests/connections/test_keys.py",
            "tests/connections/test_rotation.py",
            "tests/connections/test_keyring.py",
            "tests/connections/test_keyring_edges.py",
            "tests/test_key_rotation.py",
        ),
    ),
    "evaluator": Area(
        _below(
            "connector/expressions",
            "arithmetic calls checks compiler expression filter frames limits lookups methods "
            "scopes statements syntax values",
        ),
        (
            "tests/expressions/test_golden.py",
            "tests/expressions/test_evaluating.py",
            "tests/expressions/test_compiling.py",
            "tests/expressions/test_limits.py",
            "tests/expressions/test_sizes.py",
            "tests/expressions/test_filters.py",
            "tests/expressions/test_against_jinja.py",
            "tests/test_docs_expressions.py",
        ),
    ),
    "effects": Area(
        _below(
            "connector/engine",
            "effects beforehand looking own_code proof packing confirmed waits",
        ),
        (
            "tests/engine/effects/test_ends.py",
            "tests/engine/effects/test_keys.py",
            "tests/engine/effects/test_looked_for.py",
            "tests/engine/effects/test_replays.py",
            "tests/engine/effects/test_stored.py",
            "tests/engine/effects/test_told.py",
            "tests/chaos/test_effects.py::test_memory_tells_the_same_tales",
            "tests/engine/test_beforehand.py",
            "tests/engine/test_looking.py",
            "tests/engine/test_confirmed.py",
            "tests/engine/test_own_code.py",
            "tests/engine/test_proof.py",
            "tests/engine/test_waits.py",
            "tests/engine/test_effects_random.py",
        ),
    ),
}
