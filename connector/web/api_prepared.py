"""The part of the API for what is prepared and kept: drafts, the pinned sample, flow tests."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from connector.web import shapes
from connector.web.answers import problem
from connector.web.api_past import Exact
from connector.web.faults import NoSuchRecord, answer_problem, exact_body
from connector.web.ports import Runtime

Key = Annotated[str, Path(max_length=200, description="A flow's key, or a new draft's name.")]
Test = Annotated[str, Path(max_length=200, description="The name of a test.")]
Seen = Annotated[int, Query(ge=0, le=2**31 - 1, description="The version that was looked at.")]


def add_prepared(router: APIRouter, runtime: Runtime, who: str) -> None:
    """Add these routes."""
    _add_drafts(router, runtime, who)
    _add_sample(router, runtime, who)
    _add_tests(router, runtime, who)


def _add_drafts(router: APIRouter, runtime: Runtime, who: str) -> None:
    @router.get("/drafts", tags=["drafts"], response_model=shapes.Items)
    async def list_drafts() -> Response:
        """Every draft without its text, the newest first."""
        return Exact({"items": await runtime.workshop.drafts.list_all()})

    @router.post("/drafts", tags=["drafts"], response_model=shapes.Record)
    async def begin_draft(asked: shapes.NewDraft) -> Response:
        """Keep the draft of a new flow; gives the name that it goes by."""
        return Exact(await runtime.workshop.drafts.save("", asked.text, 0, asked.base, who=who))

    @router.get("/drafts/{flow}", tags=["drafts"], response_model=shapes.Record)
    async def get_draft(flow: Key) -> Response:
        """One draft with its text."""
        return Exact(await _draft(runtime, flow))

    @router.put("/drafts/{flow}", tags=["drafts"], response_model=shapes.Record)
    async def save_draft(flow: Key, asked: shapes.SaveDraft) -> Response:
        """Keep the next text of a draft; 409 when somebody changed it since `version`."""
        await _text(runtime, flow)
        told = await runtime.workshop.drafts.save(
            flow, asked.text, asked.version, asked.base, who=who
        )
        return _changed() if "other" in told else Exact(told)

    @router.delete("/drafts/{flow}", tags=["drafts"], response_model=shapes.Record)
    async def discard_draft(flow: Key, version: Seen) -> Response:
        """Throw a draft away; 409 when somebody changed it since `version`."""
        await _draft(runtime, flow)
        told = await runtime.workshop.drafts.discard(flow, version)
        return Exact({"flow": flow}) if told["other"] is None else _changed()


def _add_sample(router: APIRouter, runtime: Runtime, who: str) -> None:
    @router.get("/flows/{key}/sample", tags=["drafts"], response_model=shapes.Record)
    async def get_sample(key: Key) -> Response:
        """The sample that everybody sees first; `gone` when its run keeps no record."""
        found = await runtime.workshop.kept.pinned(key)
        if found is None:
            raise NoSuchRecord("sample")
        return Exact(found)

    @router.put("/flows/{key}/sample", tags=["drafts"], response_model=shapes.Record)
    async def pin_sample(key: Key, asked: shapes.Sample, request: Request) -> Response:
        """Choose it: the record of a run, or one as the app gives it."""
        await _text(runtime, key)
        await runtime.workshop.kept.pin(key, await _given(request, asked), who=who)
        await runtime.note(who, "pin_sample", f"flow {key}", {})
        return Exact(await runtime.workshop.kept.pinned(key))

    @router.delete("/flows/{key}/sample", tags=["drafts"], response_model=shapes.Record)
    async def unpin_sample(key: Key) -> Response:
        """Go back to the made-up sample."""
        if await runtime.workshop.kept.pinned(key) is None:
            raise NoSuchRecord("sample")
        await runtime.workshop.kept.pin(key, None, who=who)
        await runtime.note(who, "unpin_sample", f"flow {key}", {})
        return Exact({"flow": key})


def _add_tests(router: APIRouter, runtime: Runtime, who: str) -> None:
    @router.get("/flows/{key}/tests", tags=["drafts"], response_model=shapes.Items)
    async def list_tests(key: Key) -> Response:
        """Every test with what the flow does otherwise now (`differences`)."""
        return Exact({"items": await runtime.workshop.kept.run(key, await _text(runtime, key))})

    @router.post("/flows/{key}/tests/run", tags=["drafts"], response_model=shapes.Items)
    async def run_tests(key: Key, asked: shapes.RunTests) -> Response:
        """The same for another text, such as a draft before it is published."""
        text = await _text(runtime, key)
        return Exact(
            {
                "items": await runtime.workshop.kept.run(
                    key, text if asked.text is None else asked.text
                )
            }
        )

    @router.get("/flows/{key}/tests/file", tags=["drafts"], response_model=shapes.FlowText)
    async def get_tests_file(key: Key) -> Response:
        """The tests as the YAML file that `connector test` runs."""
        await _text(runtime, key)
        return Exact({"text": await runtime.workshop.kept.as_file(key)})

    @router.put("/flows/{key}/tests/{test}", tags=["drafts"], response_model=shapes.Record)
    async def save_test(key: Key, test: Test, asked: shapes.SaveTest, request: Request) -> Response:
        """Keep what the flow does now with a sample as what it must do."""
        text = await _text(runtime, key)
        sample = None if asked.sample is None else await _given(request, asked.sample, "sample")
        text = text if asked.text is None else asked.text
        saved = await runtime.workshop.kept.save(key, text, test, sample, who=who)
        await runtime.note(who, "save_test", f"flow {key}", {"test": saved["name"]})
        return Exact(saved)

    @router.post("/flows/{key}/tests/{test}/expect", tags=["drafts"], response_model=shapes.Record)
    async def expect_anew(key: Key, test: Test, asked: shapes.RunTests) -> Response:
        """Take what the flow does now as what this test expects."""
        text = await _text(runtime, key)
        await _known(runtime, key, test)
        told = await runtime.workshop.kept.expect(
            key, text if asked.text is None else asked.text, test, who=who
        )
        await runtime.note(who, "save_test", f"flow {key}", {"test": test})
        return Exact(told)

    @router.delete("/flows/{key}/tests/{test}", tags=["drafts"], response_model=shapes.Record)
    async def remove_test(key: Key, test: Test) -> Response:
        """Remove a test."""
        await _known(runtime, key, test)
        await runtime.workshop.kept.remove(key, test)
        await runtime.note(who, "remove_test", f"flow {key}", {"test": test})
        return Exact({"flow": key, "test": test})


async def _draft(runtime: Runtime, name: str) -> dict[str, Any]:
    found = await runtime.workshop.drafts.get(name)
    if found is None:
        raise NoSuchRecord("draft")
    return found


async def _text(runtime: Runtime, key: str) -> str:
    """The document of a stored flow, or of the draft of a new one."""
    flow = await runtime.get_flow(key)
    if flow is not None:
        return str(flow["document"])
    draft = await runtime.workshop.drafts.get(key)
    if draft is None:
        raise NoSuchRecord("flow")
    return str(draft["text"])


async def _known(runtime: Runtime, key: str, test: str) -> None:
    if not await runtime.workshop.kept.has(key, test):
        raise NoSuchRecord("test")


async def _given(request: Request, asked: shapes.Sample, inside: str = "") -> dict[str, Any]:
    """A sample as it was sent."""
    if asked.run is not None:
        return {"run": asked.run}
    body = await exact_body(request)
    return {"record": (body[inside] if inside else body)["record"]}


def _changed() -> Response:
    detail = "Somebody changed this draft meanwhile."
    body = problem(409, detail) | {"remedy": "Read it again, and send its `version`."}
    return answer_problem(body)
