"""The part of the API that builds flows: forms, previews, suggestions and versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from connector.errors import BundleError, FlowError
from connector.web import shapes
from connector.web.answers import problem_of
from connector.web.faults import NoSuchRecord, answer_problem, exact_body
from connector.web.ports import Runtime

Answer = Callable[[Any], Response]
Key = Annotated[str, Path(max_length=200)]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Language = Annotated[Literal["en", "it"], Query(description="Of labels and sentences.")]
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


def add_building(router: APIRouter, runtime: Runtime, exact: Answer, who: str) -> None:
    """Add these routes; `exact` makes an answer that keeps every digit."""

    @router.get("/nodes/{name}/form", tags=["catalog"], response_model=shapes.Record)
    async def get_form(name: Key, language: Language = "en") -> Response:
        """The inputs of a node as a form: in sections, with short words, without read-only ones."""
        try:
            return exact(runtime.workshop.trying.form(name, language))
        except BundleError as error:
            return answer_problem(problem_of(error, 404))

    @router.post("/preview", tags=["building"], response_model=shapes.Record)
    async def try_mapping(asked: shapes.TryMapping, request: Request) -> Response:
        """What a mapping would send: each field's exact value and type, and what is wrong."""
        mapping, context = await _exactly(request)
        return exact(runtime.workshop.trying.preview(asked.node, mapping, context, asked.only))

    @router.post("/suggest", tags=["building"], response_model=shapes.Items)
    async def suggest_lines(asked: shapes.Suggest, request: Request) -> Response:
        """Lines that may be right, with the reason and how sure it is; nothing is applied."""
        mapping, context = await _exactly(request)
        found = runtime.workshop.trying.suggest(asked.node, mapping, context, asked.language)
        return exact({"items": found})

    @router.get("/flows/{key}/versions", tags=["flows"], response_model=shapes.Items)
    async def list_versions(key: Key) -> Response:
        """Every version of a flow, newest first."""
        found = await runtime.workshop.versions.list_all(key)
        if found is None:
            raise NoSuchRecord("flow")
        return exact({"items": found})

    @router.get("/flows/{key}/versions/{version}", tags=["flows"], response_model=shapes.Record)
    async def get_version(key: Key, version: Version) -> Response:
        """The document of one version."""
        text = await runtime.workshop.versions.document(key, version)
        if text is None:
            raise NoSuchRecord("version")
        return exact({"key": key, "version": version, "document": text})

    @router.get("/flows/{key}/changes", tags=["flows"], response_model=shapes.Sentences)
    async def list_changes(
        key: Key,
        old: Annotated[int, Query(ge=1, le=2**31 - 1)],
        new: Number = None,
        language: Language = "en",
    ) -> Response:
        """What differs in meaning from version `old` to `new`, or to the present one."""
        try:
            told = await runtime.workshop.versions.changes(key, old, new, language)
        except FlowError as error:
            return answer_problem(problem_of(error, 404))
        return exact({"items": told})

    @router.post("/flows/{key}/rollback", tags=["flows"], response_model=shapes.Record)
    async def roll_back(key: Key, asked: shapes.RollBack) -> Response:
        """Make an old version the present one again, as the next version."""
        return exact(await runtime.workshop.versions.roll_back(key, asked.version, who=who))


async def _exactly(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mapping and context as they were sent."""
    body = await exact_body(request)
    return body.get("map", {}), body.get("context", {})
