from secrecon.detect.ssrf_endpoints import SOURCE, endpoint_shapes, endpoints
from secrecon.detect.ssrf_inputs import TOGETHER, choose, groups
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.target import Origin

ORIGIN = Origin("http", "a.test", 80)


def shape(*parameters: Parameter, method: str = "GET", path: str = "/f") -> RequestShape:
    return RequestShape(ORIGIN, method, path, parameters, "test")


def q(name: str, value: str = "") -> Parameter:
    return Parameter(name, InputPlace.QUERY, value)


def chosen(*shapes: RequestShape, full: bool = True) -> list[list[str]]:
    picked = choose(shapes, lambda _: True, full=full, limit=100)
    return [[item.parameter.name for item in group] for group in groups(picked.tested)]


def test_inputs_of_one_request_share_it_by_their_signs() -> None:
    assert chosen(shape(q("a"), q("url"), q("b"), q("feed"))) == [["url", "feed"], ["a", "b"]]
    assert chosen(shape(q("a"), q("url")), full=False) == [["url"]]


def test_amounts_operations_and_announced_actions_are_kept() -> None:
    graphql = Parameter("query", InputPlace.JSON, "query Q($u: String) { p(u: $u) { x } }")
    assert chosen(shape(q("size", "5"), q("url"), q("count"), graphql)) == [["url"]]
    assert chosen(shape(q("action", "delete"), q("url"))) == []
    assert (
        chosen(shape(Parameter("query", InputPlace.JSON, "mutation { deleteUser(id: 1) { id } }"), q("url"))) == []
    )
    assert chosen(shape(q("url"), path="/account/delete")) == []
    assert chosen(shape(q("url"), method="PUT")) == []


def test_files_and_path_inputs_are_alone_and_files_wait_for_a_full_scan() -> None:
    upload = Parameter("picture", InputPlace.FILE, "image/*")
    mixed = shape(upload, Parameter("logo", InputPlace.FORM), Parameter("link", InputPlace.FORM), method="POST")
    assert chosen(mixed) == [["logo", "link"], ["picture"]] or chosen(mixed) == [["picture"], ["logo", "link"]]
    quick = choose([mixed], lambda _: True, full=False, limit=100)
    assert [item.parameter.name for item in quick.stays] == ["picture"]
    assert all(not item.is_file for item in quick.tested)
    only_zip = shape(Parameter("backup", InputPlace.FILE, ".zip"), method="POST")
    assert chosen(only_zip) == []


def test_thousands_of_fields_share_few_requests() -> None:
    many = shape(*(Parameter(f"url{n}", InputPlace.FORM) for n in range(60)), method="POST")
    made = chosen(many)
    assert sum(map(len, made)) == 60
    assert len(made) == -(-60 // TOGETHER)


def test_every_endpoint_is_a_request_that_can_be_made() -> None:
    seen = [("http://a.test:80", endpoint.product) for endpoint in endpoints()]
    shapes = endpoint_shapes(seen, {"http://a.test:80": ORIGIN})
    assert len(shapes) == len(endpoints())
    for endpoint in endpoints():
        (*_,) = endpoint.inputs
        own = endpoint_shapes([("x", endpoint.product)], {"x": ORIGIN})
        picked = choose(own, lambda _: True, full=True, limit=1_000)
        tested = {
            f"{item.parameter.place}:{item.parameter.name}" for item in picked.tested if item.shape.source == SOURCE
        }
        assert set(endpoint.inputs) <= tested, endpoint
        assert not (set(endpoint.keep) - set(endpoint.inputs)) & tested or len(own) > 1, endpoint
        assert endpoint.about
    assert endpoint_shapes([("http://other:80", "next.js")], {"http://a.test:80": ORIGIN}) == ()
