"""connector.surprises: what the log says of an error that nobody foresaw."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from connector.hookspecs import hookimpl
from connector.plugins import build_plugins
from connector.surprises import log_surprise

HOUSE = Path(__file__).parents[1] / "connector"
log = logging.getLogger("connector.test")


def breaks(person: str) -> None:
    try:
        int(person)
    except ValueError as error:
        raise KeyError(f"{person} has no number") from error


def test_a_surprise_is_logged_by_class_and_places_and_never_by_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        breaks("Anna Rossi")
    except KeyError as error:
        log_surprise(log, "run 7 broke", error)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert re.fullmatch(
        r"run 7 broke: KeyError at tests/test_surprises\.py:\d+ breaks"
        r" < tests/test_surprises\.py:\d+ test_\w+ \(after ValueError\)",
        record.getMessage(),
    )
    assert record.exc_info is None
    assert "Rossi" not in caplog.text


def test_a_surprise_without_a_place_is_logged_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_surprise(log, "it broke", RuntimeError("Anna Rossi"))
    assert caplog.records[0].getMessage() == "it broke: RuntimeError at an unknown place"


def test_a_deep_traceback_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    def deeper(left: int) -> None:
        if not left:
            raise ValueError
        deeper(left - 1)

    with pytest.raises(ValueError) as caught:
        deeper(50)
    log_surprise(log, "deep", caught.value)
    assert caplog.text.count(" deeper") == 6


def test_what_a_plugin_says_when_it_breaks_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Meter:
        @hookimpl
        def on_event(self, event: object) -> None:
            raise ValueError(f"cannot count {event}")

    build_plugins([Meter()], entry_points=False).on_event("Anna Rossi")
    assert "Meter" in caplog.text
    assert "ValueError" in caplog.text
    assert "Rossi" not in caplog.text


def test_no_module_logs_an_error_in_another_way() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{number}"
        for path in sorted(HOUSE.rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"\blog(?:ger)?\.exception\(|_log\.exception\(|exc_info=", line)
    ]
    assert wrong == []
