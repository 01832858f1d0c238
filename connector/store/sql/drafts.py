"""What people prepare beside a stored flow: drafts, the pinned sample, saved tests."""

from __future__ import annotations

from typing import Any

from connector.codec import decode_kept, encode_text
from connector.store.rows import DraftRow, SampleRow
from connector.store.sql.backend import TenantRows

_DRAFT = "flow, document, version, base, who, saved_at"
_SAMPLE = "flow, name, content, personal, who, saved_at"


class Drafts(TenantRows):
    """A tenant's drafts, samples and tests; nothing of it runs."""

    async def drafts(self) -> list[DraftRow]:
        """Every draft, the newest first."""
        rows = await self._all(
            f"SELECT {_DRAFT} FROM flow_draft WHERE tenant = ? ORDER BY saved_at DESC", self.tenant
        )
        return [DraftRow(*row) for row in rows]

    async def draft(self, flow: str) -> DraftRow | None:
        """The draft of a flow."""
        row = await self._one(
            f"SELECT {_DRAFT} FROM flow_draft WHERE tenant = ? AND flow = ?", self.tenant, flow
        )
        return DraftRow(*row) if row else None

    async def save_draft(self, row: DraftRow) -> bool:
        """Store a draft as the one after `row.version`; tells whether nobody was before us."""
        values = (row.document, row.base, row.who, row.saved_at, self.tenant, row.flow)
        sql = (
            "UPDATE flow_draft SET document = ?, base = ?, who = ?, saved_at = ?,"
            " version = version + 1 WHERE tenant = ? AND flow = ? AND version = ?"
            if row.version
            else "INSERT INTO flow_draft (document, base, who, saved_at, tenant, flow, version)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, flow) DO NOTHING"
        )
        outcome = await self._backend.write((sql, (*values, row.version or 1)))
        return outcome[0][0] == 1

    async def drop_draft(self, flow: str, version: int) -> bool:
        """Throw a draft away, if it is still this version; tells whether it was.

        Sample and tests of a draft that belongs to no stored flow go with it.
        """
        outcome = await self._backend.write(
            (
                "DELETE FROM flow_draft WHERE tenant = ? AND flow = ? AND version = ?",
                (self.tenant, flow, version),
            ),
            (
                "DELETE FROM flow_sample WHERE tenant = ?1 AND flow = ?2"
                " AND substr(flow, 1, 1) = '~' AND NOT EXISTS"
                " (SELECT 1 FROM flow_draft WHERE tenant = ?1 AND flow = ?2)",
                (self.tenant, flow),
            ),
        )
        return outcome[0][0] == 1

    async def samples(self, flow: str) -> list[SampleRow]:
        """The sample (its name is empty) and the tests of a flow, by name."""
        rows = await self._all(
            f"SELECT {_SAMPLE} FROM flow_sample WHERE tenant = ? AND flow = ? ORDER BY name",
            self.tenant,
            flow,
        )
        return [_sample(row) for row in rows]

    async def save_sample(self, row: SampleRow) -> None:
        """Add a sample or test, or replace the one of its name."""
        await self._backend.write(
            (
                f"INSERT INTO flow_sample (tenant, {_SAMPLE}) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, flow, name) DO UPDATE SET content = excluded.content,"
                " personal = excluded.personal, who = excluded.who, saved_at = excluded.saved_at",
                (
                    self.tenant, row.flow, row.name, encode_text(row.content), int(row.personal),
                    row.who, row.saved_at,
                ),
            )
        )  # fmt: skip

    async def drop_sample(self, flow: str, name: str) -> bool:
        """Remove a sample or test; tells whether it was there."""
        outcome = await self._backend.write(
            (
                "DELETE FROM flow_sample WHERE tenant = ? AND flow = ? AND name = ?",
                (self.tenant, flow, name),
            )
        )
        return outcome[0][0] == 1

    async def drop_old_samples(self, before: float, *, really: bool = True) -> int:
        """Remove those that hold a record of somebody and were saved before; tells how many."""
        which = "FROM flow_sample WHERE tenant = ? AND personal = 1 AND saved_at < ?"
        if not really:
            found = await self._one(f"SELECT count(*) {which}", self.tenant, before)
            return int(found[0])
        outcome = await self._backend.write((f"DELETE {which}", (self.tenant, before)))
        return outcome[0][0]

    async def delete_flow(self, key: str, now: float) -> bool:
        """Take a flow away with its draft, sample and tests; tells whether there was one.

        Its row and its versions stay: its runs and writes name them.
        """
        own = (self.tenant, key)
        which = "(SELECT id FROM flow WHERE tenant = ? AND key = ?)"
        outcome = await self._change(
            (
                "UPDATE flow SET deleted_at = ?, enabled = 0 WHERE tenant = ? AND key = ?"
                " AND deleted_at IS NULL",
                (now, *own),
            ),
            ("DELETE FROM flow_draft WHERE tenant = ? AND flow = ?", own),
            ("DELETE FROM flow_sample WHERE tenant = ? AND flow = ?", own),
            (
                f"DELETE FROM derived_state WHERE tenant = ? AND flow_id = {which}",
                (self.tenant, *own),
            ),
            (
                f"DELETE FROM derived_watch WHERE tenant = ? AND flow_id = {which}",
                (self.tenant, *own),
            ),
        )
        return outcome[0][0] == 1


def _sample(row: Any) -> SampleRow:
    return SampleRow(row[0], row[1], decode_kept(row[2]), bool(row[3]), row[4], row[5])
