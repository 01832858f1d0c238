"""The JSON API under `/api/v1`; its OpenAPI document is at `/api/v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Response
from fastapi.security import HTTPBearer

from connector.errors import BundleError, FlowError
from connector.model import AnyNode
from connector.runtime.adopting import Unproven
from connector.web import shapes
from connector.web.answers import problem, problem_of
from connector.web.api_past import Exact, Moment, Number, Text, add_past, asked_for
from connector.web.api_prepared import add_prepared
from connector.web.building import add_building
from connector.web.faults import NoSuchRecord, add_handlers, answer_problem
from connector.web.ports import Row, Runtime

PREFIX = "/api/v1"
WHO = "api"
"""Who decided, in the audit: everybody who calls holds the one token of this installation."""
MAX_PAGE = 200
MAX_ID = 2**63 - 1

Id = Annotated[int, Path(ge=1, le=MAX_ID)]
Key = Annotated[str, Path(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many rows at most.")]
Cursor = Annotated[
    int | None, Query(ge=1, le=MAX_ID, description="`next` of the part before this one.")
]
Filter = Annotated[str | None, Query(max_length=200)]


def make_api(runtime: Runtime) -> FastAPI:
    """The API without its door: `Gate` checks host, token and body before anything gets here."""
    app = _Api(
        title="Connector",
        version="1",
        summary="Apps, connections, flows, events and runs of one installation.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page would load scripts from a foreign host
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    add_handlers(app)
    wrong = {"model": shapes.Problem, "description": "What went wrong, and where."}
    router = APIRouter(
        prefix=PREFIX,
        redirect_slashes=False,
        # Only so that the document names it; the Gate has checked the token.
        dependencies=[Depends(HTTPBearer(auto_error=False, description="The API token."))],
        responses={"default": wrong, 422: wrong},
    )
    _add_catalog(router, runtime)
    _add_connections(router, runtime)
    _add_choices(router, runtime)
    _add_flows(router, runtime)
    add_building(router, runtime, Exact, WHO)
    _add_events(router, runtime)
    add_prepared(router, runtime, WHO)
    add_past(router, runtime, WHO)
    _add_runs(router, runtime)
    _add_parked(router, runtime)
    app.include_router(router)
    return app


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        fresh = self.openapi_schema is None
        document = super().openapi()
        if fresh:
            _name_problems(document)
        return document


def _name_problems(document: dict[str, Any]) -> None:
    """Say in the document that errors are problem+json: FastAPI knows one media type a route."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status in ("default", "422"):
                content = operation["responses"][status]["content"]
                content["application/problem+json"] = content.pop("application/json")


def _add_catalog(router: APIRouter, runtime: Runtime) -> None:
    catalog = runtime.catalog

    @router.get("/apps", tags=["catalog"], response_model=shapes.Items)
    async def list_apps() -> Response:
        """The apps that this installation knows."""
        return Exact({"items": [app.model_dump(mode="json") for app in catalog.apps.values()]})

    @router.get("/nodes", tags=["catalog"], response_model=shapes.Items)
    async def list_nodes(app: Filter = None) -> Response:
        """The triggers, actions and searches, of one app or of all."""
        nodes = [node for node in catalog.nodes.values() if app in (None, node.app)]
        return Exact({"items": [_node(node) for node in nodes]})

    @router.get("/nodes/{name}", tags=["catalog"], response_model=shapes.Record)
    async def get_node(name: Key) -> Response:
        """One node, as it is declared."""
        try:
            return Exact(_node(catalog.node(name)))
        except BundleError as error:
            return answer_problem(problem_of(error, 404))

    @router.get("/nodes/{name}/fields", tags=["catalog"], response_model=shapes.Fields)
    async def list_fields(name: Key) -> Response:
        """The inputs of a node, in order."""
        try:
            node = catalog.node(name)
        except BundleError as error:
            return answer_problem(problem_of(error, 404))
        return Exact({"items": [field.model_dump() for field in catalog.fields(node)]})


def _add_connections(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/connections", tags=["connections"], response_model=shapes.Connections)
    async def list_connections() -> Response:
        """The authorised accounts, without their secrets."""
        found = await runtime.list_connections()
        return Exact({"items": [one.model_dump(mode="json") for one in found]})

    @router.get("/quotas", tags=["connections"], response_model=shapes.Items)
    async def list_quotas() -> Response:
        """What each account has used of its app's quotas, and where the month leads."""
        return Exact({"items": await runtime.quotas()})

    @router.post(
        "/connections", tags=["connections"], status_code=201, response_model=shapes.Record
    )
    async def connect_with_token(asked: shapes.ConnectWithToken) -> Response:
        """Connect by a token; it is tried before it is stored, and never given back."""
        token = asked.token.get_secret_value()
        made = await runtime.connect_with_token(asked.app, asked.name, token, asked.settings)
        return Exact(made.model_dump(mode="json"), 201)

    @router.post("/connections/start", tags=["connections"], response_model=shapes.Consent)
    async def start_connect(asked: shapes.StartConnect) -> Response:
        """Begin an OAuth consent: send the owner's browser to `authorize_url`."""
        begun = await runtime.start_connect(asked.app, asked.name, asked.settings)
        return Exact({"authorize_url": begun["authorize_url"]})


def _add_choices(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/choices", tags=["catalog"], response_model=shapes.Choices)
    async def list_choices(
        node: Annotated[str, Query(max_length=200)],
        field: Annotated[str, Query(max_length=400)],
        connection: Annotated[str, Query(max_length=200)],
        search: Annotated[str, Query(max_length=200)] = "",
        given: Annotated[
            list[str] | None,
            Query(
                alias="with",
                max_length=20,
                description="What says which list is meant, as `company_id=108061`.",
            ),
        ] = None,
    ) -> Response:
        """What can be chosen for a field of a node; long lists need `search`."""
        inputs = {}
        for one in given or []:
            name, _, value = one.partition("=")
            inputs[name] = int(value) if value.isdecimal() and len(value) < 19 else value
        return Exact(await runtime.choices(node, field, connection, search, inputs))


def _add_flows(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/flows", tags=["flows"], response_model=shapes.Items)
    async def list_flows() -> Response:
        """Every flow in its present version."""
        return Exact({"items": await runtime.list_flows()})

    @router.put("/flows", tags=["flows"], response_model=shapes.Record)
    async def apply_flow(asked: shapes.ApplyFlow) -> Response:
        """Store a flow document; a changed one becomes a new version."""
        return Exact(await runtime.apply_flow(asked.text, asked.enable, who=WHO))

    @router.post("/flows/check", tags=["flows"], response_model=shapes.Record)
    async def check_flow(asked: shapes.FlowText) -> Response:
        """Check a flow document and store nothing."""
        return Exact(await runtime.check_flow(asked.text))

    @router.get("/flows/{key}", tags=["flows"], response_model=shapes.Record)
    async def get_flow(key: Key) -> Response:
        """One flow with its document."""
        return _found(await runtime.get_flow(key), "flow")

    @router.delete("/flows/{key}", tags=["flows"], response_model=shapes.Record)
    async def delete_flow(key: Key, force: bool = False) -> Response:
        """Take it away; its runs, writes and audits stay. `force`: even while runs are open."""
        if await runtime.removing.would(key) is None:
            raise NoSuchRecord("flow")
        try:
            return Exact(await runtime.removing.remove(key, who=WHO, force=force))
        except FlowError as error:
            return answer_problem(problem_of(error, 409))

    @router.post("/flows/{key}/enable", tags=["flows"], response_model=shapes.Record)
    async def enable_flow(key: Key) -> Response:
        """Let coming events start it."""
        return _found(await runtime.enable_flow(key, True), "flow")

    @router.post("/flows/{key}/disable", tags=["flows"], response_model=shapes.Record)
    async def disable_flow(key: Key) -> Response:
        """Keep coming events, and start nothing."""
        return _found(await runtime.enable_flow(key, False), "flow")


def _add_events(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/status", tags=["events"], response_model=shapes.Status)
    async def get_status() -> Response:
        """How much there is of everything, what no event told of, and the alarms that last."""
        return Exact(await runtime.status())

    @router.get("/events", tags=["events"], response_model=shapes.Page)
    async def list_events(limit: Limit = 50, cursor: Cursor = None) -> Response:
        """What came in, newest first."""
        return _page(await runtime.list_events(limit + 1, cursor), limit)

    @router.get("/events/{event_id}", tags=["events"], response_model=shapes.Record)
    async def get_event(event_id: Id) -> Response:
        """One event and what became of it."""
        return _found(await runtime.get_event(event_id), "event")

    @router.post(
        "/events/{event_id}/replay", tags=["events"], status_code=202, response_model=shapes.Record
    )
    async def replay_event(event_id: Id) -> Response:
        """Match it once more: flows that had no run for it get one, the others do not."""
        done = await runtime.replay_event(event_id)
        event = await runtime.get_event(event_id)
        if event is not None and not done:
            detail = "This event is not matched yet."
            remedy = "It will be by itself; there is nothing to do again."
            return answer_problem(problem(409, detail, remedy=remedy))
        return _found(event, "event", 202)


def _add_runs(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/runs", tags=["runs"], response_model=shapes.RunPage)
    async def list_runs(
        limit: Limit = 50,
        cursor: Cursor = None,
        state: Filter = None,
        flow: Filter = None,
        record: Text = None,
        event: Number = None,
        since: Moment = None,
        until: Moment = None,
        text: Text = None,
    ) -> Response:
        """What flows did, newest first: all runs, or those that fit every filter.

        `looked_to` is the run at which a search for a text stopped: as `cursor`, it goes on.
        """
        asked = asked_for(state, flow, record, event, since, until, text)
        return Exact(await runtime.past.runs(asked, limit, cursor))

    @router.get("/runs/{run_id}", tags=["runs"], response_model=shapes.Record)
    async def get_run(run_id: Id) -> Response:
        """One run with its steps and effects."""
        return _found(await runtime.get_run(run_id), "run")

    @router.post(
        "/runs/{run_id}/replay", tags=["runs"], status_code=202, response_model=shapes.Replayed
    )
    async def replay(run_id: Id, asked: shapes.Replay | None = None) -> Response:
        """Run it again; what it wrote already is not written twice."""
        made = await runtime.replay(run_id, asked.from_step if asked else None, who=WHO)
        if made is None:
            raise NoSuchRecord("run")
        return Exact({"run": made}, 202)


def _add_parked(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/parked", tags=["parked"], response_model=shapes.Items)
    async def list_parked() -> Response:
        """The writes of which nobody knows whether they arrived, with all that is known of them."""
        return Exact({"items": await runtime.list_parked()})

    @router.post("/parked/{key}", tags=["parked"], response_model=shapes.Record)
    async def resolve(key: Key, asked: shapes.Resolve) -> Response:
        """Decide one: it is this record (`adopt`), it is not there (`send_again`), or `drop` it."""
        if all(one["key"] != key for one in await runtime.list_parked()):
            raise NoSuchRecord("parked write")
        try:
            decided = await runtime.resolve(
                key, asked.choice, who=WHO, remote_id=asked.remote_id, force=asked.force
            )
        except Unproven as error:
            insist = "To adopt it all the same, send `force`: true."
            error.remedy = f"{error.remedy} {insist}".strip()
            raise
        return Exact(decided)

    @router.get("/audits", tags=["parked"], response_model=shapes.Items)
    async def list_audits(limit: Limit = 50) -> Response:
        """What people decided, by whom and when, newest first."""
        return Exact({"items": await runtime.list_audits(limit)})


def _node(node: AnyNode) -> dict[str, Any]:
    # Not in pydantic's JSON mode: it would turn the money of a sample into text.
    return {"name": node.name, **node.model_dump()}


def _found(row: Mapping[str, Any] | None, what: str, status: int = 200) -> Response:
    if row is None:
        raise NoSuchRecord(what)
    return Exact(row, status)


def _page(rows: Sequence[Row], limit: int) -> Response:
    """One row more than asked for says that there is a next part."""
    more = len(rows) > limit
    items = rows[:limit]
    return Exact({"items": items, "next": items[-1]["id"] if more else None})
