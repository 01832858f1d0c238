"""Makers of the nodes that every resource of Fatture in Cloud has: get, list, update, delete.

What they give is plain data, as if it were written out; a node file names the resource once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector import finding, updating
from connector.apps.fatture_in_cloud.ensuring import Keys, address, ensuring
from connector.apps.fatture_in_cloud.filters import Criterion, compiled, criteria, fits
from connector.demands import Demand
from connector.model import (
    Action,
    Caller,
    Field,
    Identity,
    OwnCode,
    Request,
    SchemaRef,
    Search,
    schema,
)

__all__ = ["APP", "DOCS", "Resource", "choices", "chosen", "criteria", "fits", "listing", "reading"]

APP = "fatture_in_cloud"
DOCS = "https://developers.fattureincloud.it/api-reference"
COMPANY = schema("fatture_in_cloud/company")
OPTIONS = schema("fatture_in_cloud/list_options")
DETAILED = {"fieldset": "detailed"}
MOST_PER_PAGE, LEAST_PER_PAGE = 100, 5
DEFAULT_LIMIT = 1_000


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of record: what its nodes have in common."""

    noun: str
    plural: str
    key: str
    """The end of its nodes' keys: `client` of `get_client`."""
    path: str
    """Where its list is: `/c/{company_id}/entities/clients`."""
    schema: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    title: str = "{{ output.id }}"
    """What a run says of one record, as an expression."""
    query: Mapping[str, str] | None = None
    plural_key: str = ""
    body_schema: str = ""
    """What is written, where that is another schema than what is read."""

    @property
    def id_input(self) -> str:
        """The input that names one record."""
        return f"{self.key}_id"

    @property
    def item(self) -> str:
        """The path of one record."""
        return f"{self.path}/{{{self.id_input}}}"

    @property
    def record(self) -> SchemaRef:
        """The schema of one record."""
        return schema(f"{APP}/{self.schema}")

    @property
    def choice(self) -> SchemaRef:
        """The schema of the input that names one record."""
        return schema(f"{APP}/{self.schema}_choice")

    @property
    def words(self) -> str:
        """Its noun in a sentence."""
        return self.noun if self.noun[:2].isupper() else self.noun.lower()

    def get(self, operation: str) -> Search:
        """Reads one record by its id."""
        return Search(
            app=APP,
            key=f"get_{self.key}",
            noun=self.noun,
            label=f"Get {_title(self.noun)}",
            description=f"Reads one {self.words} by its id, with everything it holds.",
            docs_url=DOCS,
            inputs=(COMPANY, self.choice),
            request=Request(method="GET", path=self.item, query=self._query),
            result="data",
            output=self.record,
            scopes=self.read,
            summary=f"{self.noun} {self.title}",
            operations=(operation,),
        )

    def list(
        self,
        operation: str,
        known: Mapping[str, Criterion],
        *,
        query: Mapping[str, str] | None = None,
        what: str = "",
    ) -> Search:
        """Lists records by typed criteria, to the last page or a limit."""
        plural = self.plural_key or f"{self.key}s"
        return Search(
            app=APP,
            key=f"list_{plural}",
            noun=self.noun,
            label=f"List {_title(self.plural)}",
            description=what or f"Lists {self.plural.lower()} that meet all criteria given.",
            docs_url=DOCS,
            inputs=(COMPANY, schema(f"{APP}/{self.schema}_criteria"), OPTIONS),
            run=listing(self.path, known, query={**self._query, **(query or {})}),
            output=schema(f"{APP}/{self.schema}_search"),
            scopes=self.read,
            summary="{{ output.count }} found",
            operations=(operation,),
        )

    def create(
        self,
        operation: str,
        *,
        require: tuple[str, ...],
        identity: Identity,
        demands: tuple[Demand, ...] = (),
    ) -> Action:
        """Makes a record."""
        return Action(
            app=APP,
            key=f"create_{self.key}",
            noun=self.noun,
            label=f"Create {_title(self.noun)}",
            description=f"Adds {_article(self.words)}.",
            docs_url=DOCS,
            inputs=(
                COMPANY,
                schema(f"{APP}/{self.body_schema or self.schema}", "data", require=require),
            ),
            request=Request(method="POST", path=self.path, wrap=("data",)),
            demands=demands,
            result="data",
            output=self.record,
            identity=identity,
            scopes=self.write,
            summary=f"{self.noun} {self.title}",
            operations=(operation,),
        )

    def find(self, operation: str, keys: Keys, *, what: str) -> Search:
        """Finds records by the strongest key given; only exact matches count."""

        async def run(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
            name, value = finding.strongest(inputs, keys)
            known, asked = {name: Criterion(name, "=")}, {name: value}
            query = {
                "q": compiled(known, asked),
                "fieldset": "detailed",
                "per_page": str(MOST_PER_PAGE),
            }
            at = address(caller, self.path, inputs)
            rows = [row async for row in finding.pages(caller, at, query)]
            return finding.found(row for row in rows if fits(known, asked, row))

        return Search(
            app=APP,
            key=f"find_{self.key}",
            noun=self.noun,
            label=f"Find {_title(self.noun)}",
            description=what,
            docs_url=DOCS,
            inputs=(COMPANY, schema(f"{APP}/find_{self.schema}")),
            demands=finding.needs_one(*keys),
            run=run,
            output=schema(f"{APP}/{self.schema}_search"),
            scopes=self.read,
            summary=(
                "{{ output.count }} found{{ ': ' ~ output.record.name if output.found else '' }}"
            ),
            operations=(operation,),
        )

    def ensure(self, operations: tuple[str, ...], keys: Keys, *, identity: Identity) -> Action:
        """Makes a record unless its natural key is there; then it is used, or changed."""
        names = ", ".join(name.replace("_", " ").replace("vat", "VAT") for name in keys)
        return Action(
            app=APP,
            key=f"ensure_{self.key}",
            noun=self.noun,
            label=f"Find or Create {_title(self.noun)}",
            description=(
                f"Looks for the {self.words} by its {names}, the strongest that is given first, "
                "and makes it when it is not there. One that is there is used, or changed if you "
                "say so."
            ),
            docs_url=DOCS,
            inputs=(
                COMPANY,
                schema(f"{APP}/ensure_options"),
                schema(f"{APP}/{self.body_schema or self.schema}", "data", require=("data.name",)),
            ),
            request=Request(method="POST", path=self.path, wrap=("data",)),
            prepare=ensuring(self.path, self.id_input, keys, self.words),
            result="data",
            output=self.record,
            identity=identity,
            scopes=self.write,
            summary=f"{self.noun} {self.title}",
            operations=operations,
        )

    def update(self, operation: str, reads: str) -> Action:
        """Changes the fields that are set, and only those."""
        return Action(
            app=APP,
            key=f"update_{self.key}",
            noun=self.noun,
            label=f"Update {_title(self.noun)}",
            description=(
                f"Changes the given fields of {_article(self.words)} and leaves the others as "
                "they are."
            ),
            docs_url=DOCS,
            inputs=(
                COMPANY,
                self.choice,
                schema(f"{APP}/{self.body_schema or self.schema}", "data"),
                *updating.INPUTS,
            ),
            request=Request(method="PUT", path=self.item, wrap=("data",)),
            prepare=updating.keeping(self.item, query=self._query),
            result="data",
            output=self.record,
            identity=Identity(
                record_id="data.id", natural_key=(self.id_input,), when_unsure="repeat"
            ),
            scopes=(*self.write,),
            summary=f"{self.noun} {self.title} changed",
            operations=(operation, reads),
        )

    def delete(self, operation: str, *, what: str = "for good") -> Action:
        """Removes a record."""
        return Action(
            app=APP,
            key=f"delete_{self.key}",
            noun=self.noun,
            label=f"Delete {_title(self.noun)}",
            description=(
                f"Deletes {_article(self.words)} {what}. One that is gone already is a success."
            ),
            docs_url=DOCS,
            inputs=(COMPANY, self.choice),
            request=Request(method="DELETE", path=self.item),
            output=schema(f"{APP}/deleted"),
            removes=self.id_input,
            destructive=True,
            identity=Identity(record_id="", natural_key=(self.id_input,), when_unsure="repeat"),
            scopes=self.write,
            summary=(
                f"{self.noun} {{{{ output.id }}}} "
                "{{ 'was gone already' if output.already_gone else 'deleted' }}"
            ),
            operations=(operation,),
        )

    @property
    def _query(self) -> Mapping[str, str]:
        return DETAILED if self.query is None else self.query


def reading(
    key: str,
    operation: str,
    *,
    noun: str,
    label: str,
    description: str,
    path: str,
    output: str,
    inputs: tuple[Field | SchemaRef, ...] = (COMPANY,),
    query: Mapping[str, str] | None = None,
    result: str = "data",
    scopes: tuple[str, ...] = (),
    summary: str,
) -> Search:
    """A Search that is one request."""
    return Search(
        app=APP,
        key=key,
        noun=noun,
        label=label,
        description=description,
        docs_url=DOCS,
        inputs=inputs,
        request=Request(method="GET", path=path, query=query or {}),
        result=result,
        output=schema(f"{APP}/{output}"),
        scopes=scopes,
        summary=summary,
        operations=(operation,),
    )


def choices(
    key: str,
    operation: str,
    *,
    noun: str,
    label: str,
    description: str,
    path: str,
    output: str = "name_search",
    id_key: str = "id",
    inputs: tuple[Field | SchemaRef, ...] = (COMPANY,),
    query: Mapping[str, str] | None = None,
    scopes: tuple[str, ...] = (),
) -> Search:
    """A Search over a list that the app gives whole; its `search` keeps what contains a text."""

    async def run(caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        answer = await caller.request(
            "GET", address(caller, path, given), query=_filled(query or {}, given)
        )
        rows = finding.any_rows_in(answer)
        wanted = finding.plain(given.get("search"))
        records = [_named(row, id_key) for row in rows]
        kept = [one for one in records if not wanted or wanted in finding.plain(_words(one))]
        return chosen(kept, given)

    return Search(
        app=APP,
        key=key,
        noun=noun,
        label=label,
        description=description,
        docs_url=DOCS,
        inputs=(*inputs, schema(f"{APP}/list_search"), OPTIONS),
        run=run,
        output=schema(f"{APP}/{output}"),
        scopes=scopes,
        summary="{{ output.count }} found",
        operations=(operation,),
    )


def listing(
    path: str, known: Mapping[str, Criterion], *, query: Mapping[str, str] | None = None
) -> OwnCode:
    """What a list runs: its criteria as a filter, page after page, to the end or the limit."""

    async def run(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        asked = _filled({"sort": "{sort}", **(query or {})}, inputs)
        q = compiled(known, inputs)
        if q:
            asked["q"] = q
        enough = _enough(inputs)
        asked["per_page"] = str(min(MOST_PER_PAGE, max(LEAST_PER_PAGE, enough)))
        at = address(caller, path, inputs)
        kept: dict[str, dict[str, Any]] = {}
        async for row in finding.pages(caller, at, asked):
            # A list that moves while it is paged through gives a record again.
            if fits(known, inputs, row):
                kept[str(row["id"])] = dict(row)
            if len(kept) >= enough:
                break
        return chosen(list(kept.values()), inputs)

    return run


def _enough(inputs: Mapping[str, Any]) -> int:
    """How many records decide: one more than the limit tells whether there are more."""
    want = inputs.get("want")
    if want == "one":
        return 2
    return 2 if want == "first" else int(inputs.get("limit") or DEFAULT_LIMIT) + 1


def chosen(records: list[dict[str, Any]], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a list gives of these: all up to the limit, the first, or exactly one."""
    want = inputs.get("want") or "all"
    limit = 1 if want == "first" else int(inputs.get("limit") or DEFAULT_LIMIT)
    if want == "one":
        finding.single(records)
    return finding.listed(records[:limit], more=len(records) > limit)


def _named(row: Any, id_key: str) -> dict[str, Any]:
    """A row as a record: a bare text is its own name and id."""
    if not isinstance(row, Mapping):
        return {"id": row, "name": row}
    return {"id": row.get(id_key), **row}


def _words(record: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in record.values() if isinstance(value, str | int))


def _filled(query: Mapping[str, str], inputs: Mapping[str, Any]) -> dict[str, str]:
    """A query whose places in braces are filled; one that has nothing is left out."""
    found = {}
    for name, text in query.items():
        if text.startswith("{"):
            value = inputs.get(text[1:-1])
            if value not in (None, ""):
                found[name] = str(value)
        else:
            found[name] = text
    return found


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeioF" else f"a {words}"


def _title(noun: str) -> str:
    small = ("of", "and", "in", "the", "for", "to", "from")
    return " ".join(word if word in small else word[0].upper() + word[1:] for word in noun.split())
