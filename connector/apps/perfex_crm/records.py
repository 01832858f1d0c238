"""The records of Perfex as people look for them: exactly, in whatever shape a release answers.

Its search looks for any part of a text, its lists are bare arrays on 2.x and pages on 3.x, and
that there is nothing is told as a 404.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from connector import finding
from connector.errors import Conflict, Missing, Refused, Unclear
from connector.model import Caller

MAX_PAGES = 100
"""A server that always says there is more must not keep a run for ever."""
PER_PAGE = "100"
DEFAULT_LIMIT = 100
SERVER_FAULT = 500

_SAFE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Records:
    """One resource of the API, and by what its records are told apart."""

    path: str
    noun: str
    own_id: str
    """The input that names one record."""
    keys: Mapping[str, finding.Same]
    """What is searched for, the strongest first; a weaker one counts when no stronger is given."""
    parts: frozenset[str] = frozenset()
    """Keys that only have to be a part of the record's text (notes)."""
    equal: tuple[str, ...] = ()
    """Inputs that a record must show besides."""
    id_key: str = "id"
    made: str = "datecreated"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Inputs whose column has another name."""

    async def find(self, caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        """What a `find_…` search gives."""
        if inputs.get(self.own_id) not in (None, ""):
            rows = await self.by_id(caller, finding.number(caller, inputs, self.own_id), inputs)
        elif self._only_equal(inputs):
            rows = [row async for row in self.every(caller, inputs)]
        else:
            rows = await self._by_key(caller, inputs)
        rows = [row for row in rows if self.fits(row, inputs)]
        return chosen(rows, inputs.get("matches"), self.id_key, self.noun)

    async def listed(self, caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        """What a `list_…` search gives."""
        limit = int(inputs.get("limit") or DEFAULT_LIMIT)
        rows: list[dict[str, Any]] = []
        async for row in self.every(caller, inputs):
            if self.fits(row, inputs) and self._made_between(row, inputs):
                rows.append(row)
            if len(rows) >= limit:
                break
        return finding.found(rows, self.id_key)

    async def get(self, caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        """What a `get_…` search gives. Raises Missing when there is no such record."""
        number = finding.number(caller, inputs, self.own_id)
        rows = await self.by_id(caller, number, inputs)
        if not rows:
            raise Missing(
                f"Perfex CRM has no {self.noun} {number}.",
                field=self.own_id,
                remedy="Check the number; the record may have been deleted.",
                who="user",
            )
        return rows[0]

    async def by_id(
        self, caller: Caller, number: int, inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The record with this id, as a list of one or none."""
        try:
            answer = await caller.request("GET", f"{self.place(inputs)}/{number}")
        except Missing:
            return []
        rows = [self._named(row) for row in _rows_of(answer, self.id_key)]
        return [row for row in rows if finding.plain(row.get(self.id_key)) == str(number)]

    async def every(
        self, caller: Caller, inputs: Mapping[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Every record, page by page where the release has pages."""
        query = {
            name: str(inputs[name])
            for name in ("created_after", "created_before")
            if inputs.get(name)
        }
        if "created_before" in query:
            query["created_before"] += " 23:59:59"
        async for row in self._pages(caller, self.place(inputs), query):
            yield row

    def place(self, inputs: Mapping[str, Any]) -> str:
        """The path of the list."""
        return f"/{self.path}"

    def fits(self, row: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        """Whether a record shows all that it must be equal in."""
        return all(
            _same(row.get(self.columns.get(name, name)), inputs[name])
            for name in self.equal
            if inputs.get(name) not in (None, "")
        )

    def _only_equal(self, inputs: Mapping[str, Any]) -> bool:
        """Whether nothing is given that the search could look for."""
        given = {name for name, value in inputs.items() if value not in (None, "")}
        return not given & set(self.keys) and bool(given & set(self.equal))

    async def _by_key(self, caller: Caller, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        key, value = finding.strongest(inputs, self.keys)
        return await self.exactly(caller, key, value, inputs)

    async def exactly(
        self, caller: Caller, key: str, value: str, inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The records whose text is this one, or holds it where parts count."""
        same, wanted = self.keys[key], self.keys[key](value)

        def fits(row: Mapping[str, Any]) -> bool:
            shown = same(row.get(key))
            return wanted in shown if key in self.parts else wanted == shown

        # The digits of a VAT number are in it with and without the country letters.
        term = term_of(wanted.upper() if same is finding.vat else value)
        try:
            rows = [row for row in await self._searched(caller, term, value) if fits(row)]
        except Unclear as error:
            if error.status != SERVER_FAULT:
                raise
            # Some builds stumble over their own search; the whole list tells the same.
            rows = []
        else:
            if rows or key not in self.parts:
                return rows
        # Not every release searches notes, and what is not seen must not pass for not there.
        return [row async for row in self.every(caller, inputs) if fits(row)]

    async def _searched(self, caller: Caller, term: str, value: str) -> list[dict[str, Any]]:
        path = f"/{self.path}/search/{term}" if term else f"/{self.path}/search"
        query = {} if term else {"q": value}
        return [row async for row in self._pages(caller, path, query, first_bare=True)]

    async def _pages(
        self, caller: Caller, path: str, query: Mapping[str, str], *, first_bare: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            asked = dict(query)
            if not first_bare:
                asked |= {"page": str(page), "per_page": PER_PAGE}
            elif page > 1:
                asked["page"] = str(page)
            try:
                answer = await caller.request("GET", path, query=asked)
            except Missing:
                return
            rows = _rows_of(answer, self.id_key)
            for row in rows:
                yield self._named(row)
            meta = answer.get("meta") if isinstance(answer, dict) else None
            if not rows or not isinstance(meta, dict) or not meta.get("has_more"):
                return
        # What lies beyond was not looked at: to stop in silence would say that it is not there.
        raise Refused(
            f"Perfex CRM lists more than {MAX_PAGES} pages here, and they are not read to the end.",
            remedy="Narrow what is asked for: search by a value of its own, or give a limit.",
            who="user",
        )

    def _named(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row under the id that all releases share: some call it `itemid`."""
        if self.id_key not in row and "itemid" in row:
            return {self.id_key: row["itemid"], **row}
        return row

    def _made_between(self, row: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        made = str(row.get(self.made) or "")[:10]
        after, before = (str(inputs.get(f"created_{side}") or "") for side in ("after", "before"))
        return (not after or made >= after) and (not before or made <= before)


class Contacts(Records):
    """People: their lists and records hang below their customer."""

    def place(self, inputs: Mapping[str, Any]) -> str:
        """The path of the list: of one customer's people."""
        return f"/contacts/{inputs['customer_id']}" if inputs.get("customer_id") else "/contacts"

    async def exactly(
        self, caller: Caller, key: str, value: str, inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Within a customer its list tells; elsewhere the search does."""
        if not inputs.get("customer_id"):
            return await super().exactly(caller, key, value, inputs)
        same = self.keys[key]
        rows = [row async for row in self.every(caller, inputs)]
        return [row for row in rows if same(row.get(key)) == same(value)]


class Customers(Records):
    """Companies: one without a VAT number is known by its name."""

    async def _by_key(self, caller: Caller, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        key, value = finding.strongest(inputs, self.keys)
        rows = await self.exactly(caller, key, value, inputs)
        company = inputs.get("company")
        if not rows and key == "vat" and company:
            # A customer that was made without its VAT number is the same one; one of this name
            # with another VAT number is another company.
            named = await self.exactly(caller, "company", str(company), inputs)
            rows = [one for one in named if not one.get("vat")]
        return rows


def chosen(rows: list[dict[str, Any]], matches: Any, id_key: str, noun: str) -> dict[str, Any]:
    """All of the rows, the first, or exactly one. Raises Missing or Conflict for the last."""
    found = finding.found(rows, id_key)
    if matches == "first" and found["count"] > 1:
        return finding.found([found["record"]], id_key)
    if matches == "one" and not found["found"]:
        raise Missing(
            f"Perfex CRM has no such {noun}.",
            remedy="Check what it is searched by, or allow that none is found.",
            who="user",
        )
    if matches == "one" and found["count"] > 1:
        shown = ", ".join(str(one) for one in found["ids"][:5])
        raise Conflict(
            f"{found['count']} records match where one {noun} is wanted: {shown}.",
            remedy="Tidy them up in Perfex, or search by something that only one has.",
            who="user",
        )
    return found


def term_of(value: str) -> str:
    """The longest part of a value that every release takes in a path.

    The search looks for any part, so that a part of the value finds all that the whole would; what
    else it finds is dropped afterwards. Spaces, slashes and accents are refused in paths.
    """
    parts = _SAFE.findall(value)
    return max(parts, key=len) if parts else ""


def _rows_of(answer: Any, id_key: str) -> list[dict[str, Any]]:
    """The records of an answer. Raises Unclear for one that shows none: "under maintenance" says
    nothing about who is there, and that nobody is there is told as a 404.
    """
    inner = answer.get("data", answer) if isinstance(answer, dict) else answer
    rows = [inner] if isinstance(inner, dict) else finding.rows_in(inner, "")
    if not all(id_key in row or "itemid" in row for row in rows):
        raise finding.strange(answer)
    return rows


def shows(shown: Any, wanted: Any) -> bool:
    """Whether a column shows what is to be written: numbers are read as text."""
    if isinstance(wanted, Mapping | list):
        return False
    if isinstance(shown, str) and isinstance(wanted, str):
        # Texts of digits are no numbers: 00184 is a postcode, and 184 is none.
        return "".join(html.unescape(shown).split()) == "".join(wanted.split())
    return _same(shown, int(wanted) if isinstance(wanted, bool) else wanted)


def _same(shown: Any, wanted: Any) -> bool:
    try:
        return Decimal(str(shown)) == Decimal(str(wanted))
    except InvalidOperation:
        return finding.plain(shown) == finding.plain(wanted)
