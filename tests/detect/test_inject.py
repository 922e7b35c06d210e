import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.inject import MAX_TARGET, location_of, unsafe_reason, with_value
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest
from secrecon.model.target import Origin
from secrecon.net.wire import request_bytes

ORIGIN = Origin("http", "shop.acme.test", 8080)
VALUE = "http://token.cb.test:8880/?a=1&b=2#c"


def shape(method: str, path: str, *parameters: Parameter, content_type: str = "") -> RequestShape:
    return RequestShape(ORIGIN, method, path, parameters, "test", content_type)


def put(form: RequestShape, name: str, value: str = VALUE) -> HttpRequest:
    request = with_value(form, next(p for p in form.parameters if p.name == name), value)
    assert request is not None
    request_bytes(request)
    return request


def test_a_query_keeps_its_other_values_and_order() -> None:
    asked = shape(
        "GET",
        "/fetch",
        Parameter("a", InputPlace.QUERY, "x y&z"),
        Parameter("url", InputPlace.QUERY, "old"),
        Parameter("empty", InputPlace.QUERY),
    )
    request = put(asked, "url")
    parts = urlsplit(request.target)
    assert parts.path == "/fetch"
    assert parse_qsl(parts.query, keep_blank_values=True) == [("a", "x y&z"), ("url", VALUE), ("empty", "")]
    assert location_of(asked, asked.parameters[1]) == "GET /fetch query:url"


def test_a_form_is_posted_with_plausible_values_for_empty_fields() -> None:
    asked = shape(
        "POST",
        "/avatar",
        Parameter("email", InputPlace.FORM),
        Parameter("image_url", InputPlace.FORM),
        Parameter("title", InputPlace.FORM),
        Parameter("v", InputPlace.QUERY, "2"),
    )
    request = put(asked, "image_url")
    assert request.target == "/avatar?v=2"
    assert ("Content-Type", "application/x-www-form-urlencoded") in request.headers
    fields = parse_qsl(request.body.decode())
    assert fields == [("email", "someone@example.org"), ("image_url", VALUE), ("title", "1")]


def test_a_request_that_no_server_would_take_is_not_written() -> None:
    name = Parameter("a", InputPlace.PATH, "é" * 500)
    assert with_value(shape("GET", "/{a}", name), name, "x") is not None
    assert with_value(shape("GET", "/{a}", name), name, "x" * MAX_TARGET) is not None, "a value is cut first"
    other = Parameter("q", InputPlace.QUERY)
    assert with_value(shape("GET", "/" + "{a}" * 600, name, other), other, "x") is None
    fields = [Parameter(f"f{n}", InputPlace.FORM, "é" * 1_000) for n in range(60)]
    assert with_value(shape("POST", "/", *fields), fields[0], "x") is None
    assert with_value(shape("GET", "/", *fields), fields[0], "x") is None


def test_a_multipart_form_stays_one() -> None:
    asked = shape("POST", "/up", Parameter('x"y', InputPlace.FORM), content_type="multipart/form-data")
    request = put(asked, 'x"y')
    assert VALUE.encode() in request.body
    assert b'name="x%22y"' in request.body


def test_a_get_form_goes_into_the_query() -> None:
    request = put(shape("GET", "/s", Parameter("u", InputPlace.FORM)), "u", "v")
    assert (request.target, request.body) == ("/s?u=v", b"")


def test_json_is_nested_and_kept_values_keep_their_types() -> None:
    asked = shape(
        "POST",
        "/api/import",
        Parameter("name", InputPlace.JSON, "logo"),
        Parameter("source.url", InputPlace.JSON, "http://static/"),
        Parameter("source.tries", InputPlace.JSON, "3"),
        Parameter("source.deep", InputPlace.JSON, "true"),
        Parameter("items[0].id", InputPlace.JSON, "7"),
        Parameter("items[1].id", InputPlace.JSON, "x"),
        Parameter("tags[]", InputPlace.JSON, "red"),
    )
    request = put(asked, "source.url")
    assert json.loads(request.body) == {
        "name": "logo",
        "source": {"url": VALUE, "tries": 3, "deep": True},
        "items": [{"id": 7}, {"id": "x"}],
        "tags": ["red"],
    }
    assert ("Content-Type", "application/json") in request.headers


def test_an_injected_json_value_is_always_text() -> None:
    request = put(shape("POST", "/a", Parameter("u", InputPlace.JSON)), "u", "123")
    assert json.loads(request.body) == {"u": "123"}


def test_path_inputs_are_filled_in() -> None:
    templated = shape("GET", "/p/{id}/{url}", Parameter("id", InputPlace.PATH), Parameter("url", InputPlace.PATH))
    assert put(templated, "url", "a/b").target == "/p/1/a%2Fb"
    seen = shape("GET", "/proxy/old.example/x", Parameter("host", InputPlace.PATH, "old.example"))
    assert put(seen, "host", "new").target == "/proxy/new/x"


def test_a_path_input_without_a_place_cannot_be_tested() -> None:
    lost = shape("GET", "/x", Parameter("gone", InputPlace.PATH, "y"))
    assert with_value(lost, lost.parameters[0], "v") is None
    assert with_value(lost, Parameter("other", InputPlace.QUERY), "v") is None


def test_headers_and_cookies_cannot_be_split() -> None:
    asked = shape("GET", "/", Parameter("X-Hook", InputPlace.HEADER), Parameter("c", InputPlace.COOKIE, "1"))
    request = put(asked, "X-Hook", "a\r\nEvil: 1")
    assert ("X-Hook", "aEvil: 1") in request.headers
    assert ("Cookie", "c=1") in request.headers
    assert ("Cookie", "c=x%3B%20y") in put(asked, "c", "x; y").headers


@pytest.mark.parametrize(
    ("method", "path", "safe"),
    [
        ("GET", "/fetch", True),
        ("POST", "/api/import", True),
        ("DELETE", "/fetch", False),
        ("PUT", "/fetch", False),
        ("GET", "/user/delete", False),
        ("POST", "/delete_account.php", False),
        ("GET", "/logout", False),
        ("GET", "/undeleted", True),
        ("GET", "/payload", True),
    ],
)
def test_what_announces_a_change_is_left_alone(method: str, path: str, safe: bool) -> None:
    assert (unsafe_reason(shape(method, path)) == "") is safe


@given(
    st.text(max_size=40).map(lambda t: "/" + t),
    st.lists(
        st.builds(Parameter, st.text(min_size=1, max_size=12), st.sampled_from(InputPlace), st.text(max_size=30)),
        min_size=1,
        max_size=6,
    ),
    st.text(max_size=30),
    st.sampled_from(["GET", "POST"]),
)
def test_every_request_can_be_written(path: str, parameters: list[Parameter], value: str, method: str) -> None:
    asked = shape(method, path, *parameters)
    request = with_value(asked, parameters[0], value)
    if request is not None:
        wire = request_bytes(request)
        assert wire.split(b"\r\n")[0].count(b" ") == 2
