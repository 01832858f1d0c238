"""Exit codes that scripts can use: one for each kind of trouble."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connector import errors
from connector.cli.output import fail
from connector.errors import ConnectorError
from tests.cli.kit import ROOT, connector, wanted

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ConnectorError)
]
CODES = {
    errors.FlowError: 3,
    errors.MappingError: 3,
    errors.NotConnected: 4,
    errors.ApiError: 5,
    errors.StoreError: 6,
}


def made(kind: type[ConnectorError]) -> ConnectorError:
    more = {"retry_after": 1.0} if kind is errors.Throttled else {}
    return kind("It is broken.", remedy="Mend it.", field="data.name", **more)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_error_has_its_code(
    kind: type[ConnectorError], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = next((code for base, code in CODES.items() if issubclass(kind, base)), 1)
    assert fail(made(kind)) == wanted
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "error: data.name: It is broken.\nMend it.\n")
    assert fail(made(kind), as_json=True) == wanted
    assert capsys.readouterr().err == ""


def test_the_codes_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    told = dict(re.findall(r"^\| (\d) \| (.+?) \|$", page, re.MULTILINE))
    assert set(told) == {"0", "1", "2", "3", "4", "5", "6"}
    for kind, code in CODES.items():
        assert f"`{kind.__name__}`" in told[str(code)]


def test_issues_are_listed_below_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    issue = errors.Issue(message="It is wrong.", remedy="Right it.", where="steps.a", line=3)
    fail(errors.FlowError("Broken.", remedy="Mend it.", issues=[issue]))
    said = capsys.readouterr().err
    assert (
        said == "error: Broken.\n  - steps.a (line 3, column 1): It is wrong. Right it.\nMend it.\n"
    )


def test_what_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    fail(ConnectorError("[red]x[/red] [1]", remedy="[bold]"))
    assert "[red]x[/red] [1]\n[bold]" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["fields fatture_in_cloud.create_issued_document", "apps --json"])
@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_leaves_is_no_error(place: Path, words: str, reader: str) -> None:
    ended = subprocess.run(
        f"{sys.executable} -m connector {words} | {reader}",
        shell=True,
        cwd=place,
        env={name: value for name, value in os.environ.items() if wanted(name)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_success_is_0() -> None:
    assert connector("apps").code == 0
