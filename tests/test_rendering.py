"""connector.rendering: from inputs to the exact bytes, nothing sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.apps import fatture_in_cloud, perfex_crm
from connector.errors import MappingError
from connector.model import Connection, Request
from connector.rendering import build_request, encode_json, render_request

FIC = fatture_in_cloud.build()
PERFEX = perfex_crm.build()
HERE = Connection(
    id="c1",
    app="fatture_in_cloud",
    name="Acme",
    base_url="https://fic.example/",
    settings={"company_id": 108061},
)
CREATE = Request(method="POST", path="/c/{company_id}/entities/clients", wrap=("data", "options"))


def test_wrapped_inputs_become_keys_of_the_body() -> None:
    got = render_request(FIC, HERE, CREATE, {"company_id": 5, "data": {"name": "Acmè"}, "x": 1})
    assert (got.method, got.url) == ("POST", "https://fic.example/c/5/entities/clients")
    assert got.headers == (("content-type", "application/json"),)
    assert got.body == '{"data":{"name":"Acmè"}}'.encode()


def test_the_connection_fills_what_the_inputs_leave_open() -> None:
    for inputs in ({"data": {}}, {"company_id": None, "data": {}}, {"company_id": "", "data": {}}):
        got = render_request(FIC, HERE, CREATE, inputs)
        assert got.url == "https://fic.example/c/108061/entities/clients"


def test_money_keeps_its_digits() -> None:
    data = {"net": Decimal("68.18182"), "gross": Decimal("1234567890123456789.10"), "n": 2}
    got = render_request(FIC, HERE, CREATE, {"data": data})
    assert got.body == b'{"data":{"net":68.18182,"gross":1234567890123456789.10,"n":2}}'


def test_a_root_is_the_whole_body_in_either_encoding() -> None:
    request = Request(method="POST", path="/customers", root="data", encoding="form")
    got = render_request(PERFEX, HERE, request, {"data": {"company": "A & B", "groups_in": [2]}})
    assert got.body == b"company=A+%26+B&groups_in%5B%5D=2"
    assert got.headers == (("content-type", "application/x-www-form-urlencoded"),)
    put = Request(method="PUT", path="/customers/{id}", root="data")
    got = render_request(PERFEX, HERE, put, {"id": "412", "data": {"company": "A"}})
    assert (got.url, got.body) == ("https://fic.example/customers/412", b'{"company":"A"}')


@pytest.mark.parametrize("inputs", [{}, {"data": None}])
def test_a_root_that_is_not_there_is_an_error(inputs: dict[str, Any]) -> None:
    request = Request(method="POST", path="/customers", root="data")
    with pytest.raises(MappingError) as caught:
        render_request(PERFEX, HERE, request, inputs)
    assert caught.value.field == "data"


def test_reads_have_no_body_and_no_type() -> None:
    request = Request(
        method="GET",
        path="/c/{company_id}/entities/clients",
        query={"fieldset": "detailed", "q": "{q}", "page": "{page}", "type": "{type}"},
    )
    got = render_request(FIC, HERE, request, {"q": "id = 1 or id = 2", "page": 2, "type": None})
    assert got.url == (
        "https://fic.example/c/108061/entities/clients"
        "?fieldset=detailed&q=id%20%3D%201%20or%20id%20%3D%202&page=2"
    )
    assert (got.headers, got.body) == ((), b"")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a&b=c#d?/é", "a%26b%3Dc%23d%3F%2F%C3%A9"),
        (True, "true"),
        ([1, "b"], "1%2Cb"),
        (Decimal("1.10"), "1.10"),
        ("it's", "it%27s"),
    ],
)
def test_query_values_are_encoded(value: Any, text: str) -> None:
    request = Request(method="GET", path="/x", query={"v": "{v}"})
    assert render_request(FIC, HERE, request, {"v": value}).url == f"https://fic.example/x?v={text}"


def test_a_query_of_several_pieces_needs_all_of_them() -> None:
    request = Request(method="GET", path="/x", query={"q": "vat = '{vat}'"})
    assert "vat%20%3D%20%2701%27" in render_request(FIC, HERE, request, {"vat": "01"}).url
    with pytest.raises(MappingError) as caught:
        render_request(FIC, HERE, request, {})
    assert caught.value.field == "vat"


@pytest.mark.parametrize(
    ("value", "segment"),
    [("a b", "a%20b"), ("é?#%", "%C3%A9%3F%23%25"), ("...", "..."), (7, "7"), ("a;b", "a%3Bb")],
)
def test_path_values_are_one_encoded_segment(value: Any, segment: str) -> None:
    request = Request(method="GET", path="/x/{v}/y")
    got = render_request(FIC, HERE, request, {"v": value})
    assert got.url == f"https://fic.example/x/{segment}/y"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "../c",
        "a\nb",
        "\0",
        True,
        ["a"],
        {"a": 1},
        1.5,
        "x" * 600,
    ],
)
def test_path_values_that_change_the_path_are_errors_that_name_the_field(value: Any) -> None:
    request = Request(method="GET", path="/x/{data.id}")
    with pytest.raises(MappingError) as caught:
        render_request(FIC, HERE, request, {"data": {"id": value}})
    assert caught.value.field == "data.id"


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "//evil.example/x",
        "/x/../y",
        "/x/./y",
        "/x?y",
        "/x#y",
        "/x y",
        "/x\r\ny",
        "",
        "/",
        "/é",
    ],
)
def test_paths_written_by_code_are_plain(path: str) -> None:
    with pytest.raises(MappingError):
        build_request(FIC, HERE, "GET", path, {}, None)


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("-Infinity"), float("inf"), float("nan")]
)
def test_numbers_that_are_none_do_not_leave(value: Any) -> None:
    with pytest.raises(MappingError) as caught:
        encode_json({"data": {"rows": [1, {"net": value}]}})
    assert caught.value.field == "data.rows.1.net"


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_what_json_cannot_say_is_an_error(value: Any) -> None:
    with pytest.raises(MappingError):
        encode_json({"a": value})


def test_endless_data_is_an_error() -> None:
    data: list[Any] = []
    data.append(data)
    with pytest.raises(MappingError, match="nested deeper"):
        encode_json(data)


def test_a_form_is_an_object() -> None:
    with pytest.raises(MappingError):
        build_request(PERFEX, HERE, "POST", "/x", {}, [1], "form")


def test_headers_of_the_app_go_with_every_request() -> None:
    app = FIC.model_copy(update={"headers": {"X-Client": "connector"}})
    got = build_request(app, HERE, "DELETE", "/x/1", {}, None)
    assert got.headers == (("x-client", "connector"),)


def test_the_same_inputs_give_the_same_bytes() -> None:
    inputs = {"data": {"b": 1, "a": [Decimal("1.0"), "x"]}}
    assert render_request(FIC, HERE, CREATE, inputs) == render_request(FIC, HERE, CREATE, inputs)
