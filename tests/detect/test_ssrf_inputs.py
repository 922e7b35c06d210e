from importlib import resources

from secrecon.detect.fingerprint_format import parse_files
from secrecon.detect.inject import unsafe_reason, with_value, with_values
from secrecon.detect.ssrf_endpoints import endpoint_shapes, endpoints
from secrecon.detect.ssrf_inputs import TOGETHER, choose, groups
from secrecon.detect.ssrf_payloads import Bypass, Technique, value_for
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.interaction import Payload
from secrecon.model.target import Origin
from secrecon.net.wire import request_bytes

TOKEN = "abcdefghij0123456789" + "nonce67890123"
PAYLOAD = Payload(TOKEN, f"http://{TOKEN}.cb.test/", f"{TOKEN}.cb.test", "s", "c", "a", "l", "direct", "", "", 1.0)
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
    for endpoint in endpoints():
        own = endpoint_shapes([("x", endpoint.product)], {"x": ORIGIN})
        (made,) = [s for s in own if s.path == endpoint.path and s.method == endpoint.method]
        picked = choose([made], lambda _: True, full=True, limit=1_000)
        tested = {f"{item.parameter.place}:{item.parameter.name}": item for item in picked.tested}
        assert set(endpoint.inputs) == set(tested), endpoint
        for item in tested.values():
            value = value_for(Bypass(Technique.DIRECT), PAYLOAD, item.parameter)
            request = with_value(made, item.parameter, value)
            assert request is not None, endpoint
            wire = request_bytes(request)
            assert TOKEN.encode() in wire, endpoint
            assert b"{host}" not in wire.replace(b"%7B", b"{") or len(tested) > 1, endpoint
        assert endpoint.about
        assert not unsafe_reason(made), endpoint
    assert endpoint_shapes([("http://other:80", "next.js")], {"http://a.test:80": ORIGIN}) == ()


def test_endpoints_are_written_as_the_products_take_them() -> None:
    def written(product: str, path: str, technique: Technique = Technique.DIRECT) -> str:
        shapes = endpoint_shapes([("x", product)], {"x": ORIGIN})
        made = next(s for s in shapes if s.path.startswith(path))
        picked = choose([made], lambda _: True, full=True, limit=9)
        values = {i.parameter: value_for(Bypass(technique), PAYLOAD, i.parameter) for i in picked.tested}
        request = with_values(made, values)
        assert request is not None
        return request_bytes(request).decode("latin-1")

    pingback = written("wordpress", "/xmlrpc.php")
    assert f"<param><value><string>http://{TOKEN}.cb.test/</string></value></param>" in pingback
    assert "<param><value><string>http://a.test/?p=1</string></value></param>" in pingback
    assert "<methodName>pingback.ping</methodName>" in pingback
    assert f"X-BEResource={TOKEN}.cb.test/owa/auth/x.js?~1" in written("exchange", "/owa")
    assert f"Host: {TOKEN}.cb.test\r\n" in written("minio", "/minio")
    pipeline = written("gitlab", "/api/v4", Technique.EXTENSION)
    assert f"{{remote: 'http://{TOKEN}.cb.test/probe.yml'}}" in pipeline
    assert f"GET /unsafe/8x8/http://{TOKEN}.cb.test/ HTTP" in written("thumbor", "/unsafe")
    assert f"companyId=http%3A%2F%2F{TOKEN}.cb.test%2F%23" in written("zimbra", "/zimlet")


def test_products_with_endpoints_are_recognised() -> None:
    files = resources.files("secrecon.rules").joinpath("fingerprints")
    known = {
        f.id for f in parse_files({f.name: f.read_text("utf-8") for f in files.iterdir() if f.name[-5:] == ".yaml"})
    }
    assert {endpoint.product for endpoint in endpoints()} <= known
    assert len(endpoints()) >= 30
