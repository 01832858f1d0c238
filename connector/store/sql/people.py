"""Who may use a tenant's pages: people with a passphrase, sessions, one-time links."""

from __future__ import annotations

from collections.abc import Sequence

from connector.store.rows import PersonRow, SessionRow
from connector.store.sql.backend import TenantRows


class People(TenantRows):
    """A tenant's people; secrets are handed in as hashes."""

    async def people(self) -> list[PersonRow]:
        """Everybody who has a passphrase, by name."""
        rows = await self._all(
            "SELECT name, role, passphrase, created_at FROM person WHERE tenant = ? ORDER BY name",
            self.tenant,
        )
        return [PersonRow(*row) for row in rows]

    async def person(self, name: str) -> PersonRow | None:
        """Who has this name."""
        row = await self._one(
            "SELECT name, role, passphrase, created_at FROM person WHERE tenant = ? AND name = ?",
            self.tenant,
            name,
        )
        return PersonRow(*row) if row else None

    async def save_person(self, row: PersonRow) -> None:
        """Add somebody, or replace role and passphrase; every session of that name ends."""
        await self._backend.write(
            (
                "INSERT INTO person (tenant, name, role, passphrase, created_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, name) DO UPDATE SET"
                " role = excluded.role, passphrase = excluded.passphrase",
                (self.tenant, row.name, row.role, row.passphrase, row.created_at),
            ),
            ("DELETE FROM session WHERE tenant = ? AND name = ?", (self.tenant, row.name)),
        )

    async def drop_person(self, name: str) -> bool:
        """Remove somebody with all sessions and links; tells whether there was such a person."""
        outcome = await self._backend.write(
            ("DELETE FROM session WHERE tenant = ? AND name = ?", (self.tenant, name)),
            ("DELETE FROM person WHERE tenant = ? AND name = ?", (self.tenant, name)),
            ("DELETE FROM login_link WHERE tenant = ? AND name = ?", (self.tenant, name)),
        )
        return outcome[1][0] > 0

    async def session(self, session_id: str) -> SessionRow | None:
        """The session with this id."""
        row = await self._one(
            "SELECT id, name, role, created_at, seen_at FROM session WHERE tenant = ? AND id = ?",
            self.tenant,
            session_id,
        )
        return SessionRow(*row) if row else None

    async def save_session(self, row: SessionRow, forget_before: float) -> None:
        """Begin a session; those that began before a time are removed."""
        await self._backend.write(
            (
                "INSERT INTO session (id, tenant, name, role, created_at, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (row.id, self.tenant, row.name, row.role, row.created_at, row.seen_at),
            ),
            (
                "DELETE FROM session WHERE tenant = ? AND created_at < ?",
                (self.tenant, forget_before),
            ),
        )

    async def see_session(self, session_id: str, now: float) -> None:
        """Note that a session is in use."""
        await self._backend.write(
            (
                "UPDATE session SET seen_at = ? WHERE tenant = ? AND id = ?",
                (now, self.tenant, session_id),
            )
        )

    async def drop_session(self, session_id: str) -> None:
        """End a session."""
        await self._backend.write(
            ("DELETE FROM session WHERE tenant = ? AND id = ?", (self.tenant, session_id))
        )

    async def save_link(self, link_id: str, name: str, role: str, expires_at: float) -> None:
        """Remember a one-time link."""
        await self._backend.write(
            (
                "INSERT INTO login_link (id, tenant, name, role, expires_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (link_id, self.tenant, name, role, expires_at),
            )
        )

    async def knows_link(self, link_id: str, now: float) -> bool:
        """Whether a one-time link still lets somebody in; it is not used up."""
        rows = await self._all(
            "SELECT 1 FROM login_link WHERE tenant = ? AND id = ? AND expires_at >= ?",
            self.tenant,
            link_id,
            now,
        )
        return bool(rows)

    async def take_link(self, link_id: str, now: float) -> tuple[str, str] | None:
        """Name and role of a one-time link, once; None when it is unknown, used or too old."""
        outcome = await self._backend.write(
            (
                "DELETE FROM login_link WHERE tenant = ? AND id = ?"
                " RETURNING name, role, expires_at",
                (self.tenant, link_id),
            ),
            ("DELETE FROM login_link WHERE expires_at < ?", (now,)),
        )
        rows = outcome[0][1]
        return (rows[0][0], rows[0][1]) if rows and rows[0][2] >= now else None

    async def login_failures(
        self, whose: Sequence[str], since: float
    ) -> dict[str, tuple[int, float]]:
        """How often each of these failed to get in, and when last."""
        marks = ", ".join("?" * len(whose))
        rows = await self._all(
            "SELECT whose, count, last_at FROM login_failure"
            f" WHERE tenant = ? AND last_at >= ? AND whose IN ({marks})",
            self.tenant,
            since,
            *whose,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    async def count_login(
        self, whose: Sequence[str], now: float, forget_before: float, most: int
    ) -> dict[str, int]:
        """Count an attempt of each as failed, and give the counts; old ones are forgotten."""
        outcome = await self._backend.write(
            (
                "DELETE FROM login_failure WHERE tenant = ? AND last_at < ?",
                (self.tenant, forget_before),
            ),
            (
                # The newest stay: who goes on guessing is never among those that are forgotten.
                "DELETE FROM login_failure WHERE tenant = ? AND last_at < (SELECT last_at"
                " FROM login_failure WHERE tenant = ? ORDER BY last_at DESC LIMIT 1 OFFSET ?)",
                (self.tenant, self.tenant, most),
            ),
            *(
                (
                    "INSERT INTO login_failure (tenant, whose, count, last_at) VALUES (?, ?, 1, ?)"
                    " ON CONFLICT (tenant, whose) DO UPDATE SET"
                    " count = login_failure.count + 1, last_at = excluded.last_at RETURNING count",
                    (self.tenant, one, now),
                )
                for one in whose
            ),
        )
        return {one: told[1][0][0] for one, told in zip(whose, outcome[2:], strict=True)}

    async def forgive_login(self, forgotten: str, less: str) -> None:
        """Somebody got in after all: forget one's failures, and take one from the other's."""
        await self._backend.write(
            (
                "DELETE FROM login_failure WHERE tenant = ? AND whose = ?",
                (self.tenant, forgotten),
            ),
            (
                "UPDATE login_failure SET count = count - 1"
                " WHERE tenant = ? AND whose = ? AND count > 0",
                (self.tenant, less),
            ),
        )
