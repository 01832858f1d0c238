"""Who may use the pages: one-time links, passphrases and sessions of one tenant."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connector.engine.waits import Clock
from connector.errors import ConnectorError, Throttled
from connector.store.rows import PersonRow, SessionRow

if TYPE_CHECKING:
    from connector.store.port import Store

Role = Literal["viewer", "editor", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")
"""From the one who only looks to the one who may connect, remove and decide."""

LINK_SECONDS = 3_600.0
IDLE_SECONDS = 12 * 3_600.0
LONGEST_SECONDS = 7 * 86_400.0
SEEN_SECONDS = 60.0
"""How exactly it is known when a session was used last."""
LEAST_PASSPHRASE = 10
MOST_PASSPHRASE = 200
MAX_NAME = 60
FREE_ATTEMPTS = 5
FREE_FROM_ADDRESS = 30
"""More, because everybody behind one proxy has one address."""
LONGEST_PAUSE = 900.0
REMEMBERED_SECONDS = 86_400.0
"""After a day without an attempt, counting begins anew."""
MOST_KNOWN = 10_000
"""Names and addresses whose failures are kept, of one tenant."""

# What OWASP asks of scrypt at 16 MiB: some tenths of a second a guess. A hash carries its own.
_COST, _BLOCK, _LANES = 2**14, 8, 5


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, and what they may do."""

    name: str
    role: Role
    session: str = ""
    """The id of the session; empty for somebody whom the platform around us vouches for."""

    def may(self, role: Role) -> bool:
        """Whether this role, or a smaller one, is theirs."""
        return ROLES.index(self.role) >= ROLES.index(role)


class People:
    """Lets people in, and knows them again."""

    def __init__(self, store: Store, clock: Clock, key: bytes) -> None:
        self._store = store
        self._clock = clock
        self.key = key
        """Seals what browsers keep for us."""
        self._nobody = ""

    async def make_link(self, name: str = "owner", role: Role = "owner") -> str:
        """The secret of a new one-time link, good for an hour."""
        secret = secrets.token_urlsafe(24)
        link_id, now = _id_of(secret), self._clock()
        await self._store.save_link(link_id, _name(name), role, now + LINK_SECONDS)
        return secret

    async def knows_link(self, secret: str) -> bool:
        """Whether this link still lets somebody in; it is not used up."""
        return await self._store.knows_link(_id_of(secret), self._clock())

    async def use_link(self, secret: str) -> str | None:
        """The secret of a new session; None when the link is unknown, used or too old."""
        found = await self._store.take_link(_id_of(secret), self._clock())
        return None if found is None else await self._begin(found[0], found[1])

    async def enter(self, name: str, passphrase: str, address: str) -> str | None:
        """The secret of a new session; None for a wrong name or passphrase.

        Raises Throttled when there were too many wrong ones of this name or from this address.
        """
        now, places = self._clock(), (f"name {name[:MAX_NAME]}", f"address {address}")
        free = dict(zip(map(self._hidden, places), (FREE_ATTEMPTS, FREE_FROM_ADDRESS), strict=True))
        since = now - REMEMBERED_SECONDS
        known = await self._store.login_failures(tuple(free), since)
        _check(max(_pause(*known.get(one, (0, 0.0)), free[one]) for one in free) - now)
        # Counted before it is known whether it is right: many at once are as many as one by one.
        counts = await self._store.count_login(tuple(free), now, since, MOST_KNOWN)
        for one, count in counts.items():
            if count > known.get(one, (0, 0.0))[0] + 1:
                _check(_pause(count - 1, now, free[one]) - now)
        row = await self._store.person(name)
        # A name that nobody has takes as long as a wrong passphrase.
        kept = row.passphrase if row else await self._of_nobody()
        right = await asyncio.to_thread(_fits, passphrase[: MOST_PASSPHRASE + 1], kept)
        if row is None or not right:
            return None
        await self._store.forgive_login(*free)
        return await self._begin(row.name, row.role)

    async def session(self, secret: str) -> Person | None:
        """Who holds this secret, while the session lasts."""
        row = await self._store.session(_id_of(secret))
        if row is None:
            return None
        now = self._clock()
        if now - row.created_at > LONGEST_SECONDS or now - row.seen_at > IDLE_SECONDS:
            await self._store.drop_session(row.id)
            return None
        if now - row.seen_at > SEEN_SECONDS:
            await self._store.see_session(row.id, now)
        return Person(row.name, role_of(row.role), row.id)

    async def leave(self, person: Person) -> None:
        """End a session."""
        await self._store.drop_session(person.session)

    async def list_people(self) -> list[Person]:
        """Everybody who has a passphrase, by name."""
        return [Person(row.name, role_of(row.role)) for row in await self._store.people()]

    async def set_passphrase(self, name: str, role: Role, passphrase: str) -> None:
        """Give somebody a passphrase and a role; sessions of that name end. Raises ConnectorError.

        The last owner stays one.
        """
        name = _name(name)
        if not LEAST_PASSPHRASE <= len(passphrase) <= MOST_PASSPHRASE:
            raise ConnectorError(
                f"A passphrase has {LEAST_PASSPHRASE} to {MOST_PASSPHRASE} characters.",
                field="passphrase",
                remedy="Take a few words that nobody would guess.",
                who="user",
            )
        kept = await asyncio.to_thread(_hashed, passphrase)
        if role != "owner":
            await self._keep_an_owner(name)
        await self._store.save_person(PersonRow(name, role, kept, self._clock()))

    async def remove(self, name: str) -> bool:
        """Remove somebody with all sessions and links; tells whether there was such a person."""
        await self._keep_an_owner(name)
        return await self._store.drop_person(name)

    async def _keep_an_owner(self, without: str) -> None:
        owners = {row.name for row in await self._store.people() if row.role == "owner"}
        if owners == {without}:
            raise ConnectorError(
                f"{without} is the only owner.",
                field="role",
                remedy="Make somebody else an owner first.",
                who="user",
            )

    async def _begin(self, name: str, role: str) -> str:
        secret, now = secrets.token_urlsafe(32), self._clock()
        row = SessionRow(_id_of(secret), name, role, now, now)
        await self._store.save_session(row, now - LONGEST_SECONDS)
        return secret

    async def _of_nobody(self) -> str:
        if not self._nobody:
            self._nobody = await asyncio.to_thread(_hashed, secrets.token_hex(16))
        return self._nobody

    def _hidden(self, whose: str) -> str:
        """Under which key failures are kept: without names, and of no use to somebody else."""
        told = whose.encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, b"failures\0" + told, hashlib.sha256).hex()


def _pause(count: int, last: float, free: int) -> float:
    """Until when the next attempt must wait."""
    if count < free:
        return 0.0
    # Bounded before it is raised: a count may grow for years.
    return last + min(2.0 ** min(count - free + 1, 20), LONGEST_PAUSE)


def _check(wait: float) -> None:
    if wait > 0:
        raise Throttled(
            "There were too many wrong passphrases.",
            retry_after=wait,
            remedy="Wait a little, then try again.",
        )


def role_of(text: str) -> Role:
    """A role by its name; anything else is the smallest one."""
    return next((one for one in ROLES if one == text), "viewer")


def _name(name: str) -> str:
    clean = " ".join(name.split())
    if not clean or len(clean) > MAX_NAME or not clean.isprintable():
        raise ConnectorError(f"A name has 1 to {MAX_NAME} characters.", field="name", who="user")
    return clean


def _id_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _hashed(passphrase: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${_COST}${_BLOCK}${_LANES}${salt.hex()}${_scrypt(passphrase, salt).hex()}"


def _fits(passphrase: str, kept: str) -> bool:
    _, cost, block, lanes, salt, wanted = kept.split("$")
    got = _scrypt(passphrase, bytes.fromhex(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(got, bytes.fromhex(wanted))


def _scrypt(
    passphrase: str, salt: bytes, cost: int = _COST, block: int = _BLOCK, lanes: int = _LANES
) -> bytes:
    text = passphrase.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost, r=block, p=lanes, dklen=32, maxmem=2**26)
