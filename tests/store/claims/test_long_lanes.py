"""A free run is found however many wait before it, without reading them."""

from __future__ import annotations

from typing import Any

import pytest

from connector.store.postgres import claims as claims_module
from connector.store.postgres.claims import _CLAIM_RUNS
from connector.store.postgres.database import Database
from connector.store.postgres.marks import translated
from tests.store.claims.kit import ids, matched
from tests.store.kit import NOW

LANES, LONG = 10, 3_000


async def crowded(database: Database, *, due_at: float = 0, owner: str = "") -> int:
    """Lanes full of runs behind a first one; and one run that is free, the newest of all."""
    await matched(database, "free")
    made = (
        "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, state, context,"
        " due_at, owner, created_at) SELECT 'main', 1, 1, -n, CAST(n % ?1 AS TEXT), 'queued',"
        " '{}', CASE WHEN n < ?1 THEN CAST(?2 AS float8) ELSE 0 END,"
        " CASE WHEN n < ?1 THEN ?3 ELSE '' END, 0 FROM generate_series(0, ?4 - 1) AS n ORDER BY n"
    )
    await database.write((made, (LANES, due_at, owner, LANES * LONG)))
    await database.write(("UPDATE run SET id = 1000000 WHERE item_id = 'free'", ()))
    await database.write(("ANALYZE run", ()))
    return 1_000_000


def rows_read(plan: dict[str, Any]) -> float:
    """How many rows of tables a plan has looked at."""
    seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    here = seen * plan["Actual Loops"] if "Relation Name" in plan else 0
    return here + sum(rows_read(one) for one in plan.get("Plans", ()))


@pytest.mark.parametrize("held", [False, True])
async def test_a_free_run_behind_long_lanes_is_found_without_reading_them(
    one: Database, held: bool
) -> None:
    free = await crowded(one, due_at=0 if held else NOW + 60, owner="somebody" if held else "")
    asked: list[tuple[str, Any]] = []
    real = one.claims._claiming.all

    async def spy(sql: str, *values: Any, lock: int | None = None) -> Any:
        asked.append((sql, values))
        return await real(sql, *values, lock=lock)

    one.claims._claiming.all = spy  # type: ignore[method-assign]
    assert ids(await one.claims.runs(64, NOW)) == [free]
    read = 0.0
    for sql, values in asked:
        async with await one._connect() as connection, connection.transaction(force_rollback=True):
            explained = await connection.execute(
                translated(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"), values
            )
            row = await explained.fetchone()
            assert row is not None
            read += rows_read(row[0][0]["Plan"])
    assert read < LANES * LONG / 2, asked


async def test_the_head_of_a_long_lane_is_claimed_without_reading_those_behind_it(
    one: Database,
) -> None:
    await crowded(one)
    values = (NOW, 64, one.claims.worker, 64)
    async with await one._connect() as connection, connection.transaction(force_rollback=True):
        explained = await connection.execute(
            translated(f"EXPLAIN (ANALYZE, FORMAT JSON) {_CLAIM_RUNS}"), values
        )
        row = await explained.fetchone()
    assert row is not None
    assert rows_read(row[0][0]["Plan"]) < LANES * LONG / 2
    heads = await one.claims.runs(64, NOW)
    assert len(heads) == LANES + 1


async def test_every_free_run_is_found_however_many_lanes_stand_before_it(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks go on from lane to lane, and begin anew at the end."""
    for number in range(12):
        await matched(one, str(number), due_at=NOW + 60)
        await matched(one, str(number), created_at=NOW + 1)
    (free,) = await matched(one, "5x")
    for _ in range(3):
        await matched(one, "0", created_at=NOW + 2 + _)
    short = {
        name: value.replace("500", "3").replace("499", "2")
        for name, value in vars(claims_module).items()
        if name in ("_CLAIM_RUNS", "_CLAIM_AMONG", "_CROWDED", "_LANES", "_NEWEST", "_DUE_AGAIN")
    }
    for name, value in (*short.items(), ("RUNS_AHEAD", 3)):
        monkeypatch.setattr(claims_module, name, value)
    found: list[int] = []
    for _ in range(7):
        found += ids(await one.claims.runs(2, NOW))
    assert found == [free.id]
