"""SSRF: the requests of each round. First the address as it is, everywhere; then ways around filters; then confirmation.

Inputs of one request share it, each with an address of its own (`detect.ssrf_inputs`); what was called back that way is
asked for once more alone. Pure: a round's requests follow from what the scan has learned, so any worker can plan them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from secrecon.detect.acting import acting_word
from secrecon.detect.bodies import XML, xml_document
from secrecon.detect.destinations import put_into, redirect_rank
from secrecon.detect.inject import Value, location_of, unsafe_reason, with_body, with_value, with_values
from secrecon.detect.links import is_static
from secrecon.detect.redirect import CHECK as REDIRECT_CHECK
from secrecon.detect.ssrf import CHECK, told
from secrecon.detect.ssrf_endpoints import endpoint_shapes
from secrecon.detect.ssrf_files import file_of, kinds_for
from secrecon.detect.ssrf_headers import EVERYWHERE, HEADER_GROUPS, HeaderInput, header_of, header_request
from secrecon.detect.ssrf_inputs import Chosen, Input, choose, groups
from secrecon.detect.ssrf_payloads import (
    CARRIES_ON,
    SCHEMES,
    Bypass,
    Technique,
    below,
    bypass_of,
    bypasses,
    listener_at,
    numbers_of,
    redirecting,
    value_for,
)
from secrecon.engine.view import ScanView
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest
from secrecon.model.interaction import CallbackProtocol, Payload
from secrecon.model.probe import HttpProbe, Probe, Skip
from secrecon.model.scan import Outcome, ScanMode
from secrecon.model.target import Origin, TargetKind
from secrecon.oast.tokens import find_tokens

MAX_INPUTS = {ScanMode.QUICK: 80, ScanMode.FULL: 800}
MAX_BYPASSED = {ScanMode.QUICK: 30, ScanMode.FULL: 200}
MAX_FOLLOWED = 60
MAX_HEADER_PATHS = 12
MAX_HEADER_ORIGINS = 200
MAX_REDIRECTS = 2
TURNS = 2
"""How often a name that turns is tried: a resolver that asks twice for one look-up has used the first answer up."""
NO_ADDRESS = "no callback address could be made"
NOWHERE = "nowhere"
"""The tag of a request that carries a name which leads nowhere; the input's location follows."""
_SIGN_RANK = 2


def origins(view: ScanView) -> list[Origin]:
    """The web services of the scan."""
    known = [service.origin for service in view.web if service.origin is not None]
    if not known and view.spec.target.kind is TargetKind.ORIGIN:
        known = [view.spec.target.origin]
    return list(dict.fromkeys(known))


def shapes(view: ScanView) -> tuple[RequestShape, ...]:
    """The requests that the crawl met, and the ones that recognised products are known to fetch for."""
    seen = [(technology.asset, technology.name) for technology in view.technologies]
    return (*view.shapes, *endpoint_shapes(seen, {str(origin): origin for origin in origins(view)}))


def chosen(view: ScanView) -> Chosen:
    """The inputs of this scan."""
    full = view.spec.mode is ScanMode.FULL
    return choose(shapes(view), view.spec.target.covers_origin, full=full, limit=MAX_INPUTS[view.spec.mode])


def payloads(view: ScanView) -> list[Payload]:
    """The payloads of this check so far."""
    return [payload for payload in view.payloads.values() if payload.check == CHECK]


def called(view: ScanView, *, lookups: bool = True) -> set[tuple[str, str]]:
    """The inputs that were called back; without `lookups` only those that were contacted."""
    hits = [hit for hit in view.interactions.values() if not hit.own and hit.token in view.payloads]
    return {
        (view.payloads[hit.token].asset, view.payloads[hit.token].location)
        for hit in hits
        if lookups or hit.protocol is not CallbackProtocol.DNS
    }


def first(view: ScanView) -> Iterator[Probe]:
    """Every input once, with the address as it is; documents where those are taken; headers in a full scan."""
    picked = chosen(view)
    for group in groups(picked.tested):
        if group[0].is_file:
            yield from _files(view, group[0])
            continue
        technique = Technique.DIRECT if len(group) == 1 else Technique.SHARED
        yield from _probes(view, [(item, Bypass(technique)) for item in group])
    if view.spec.mode is ScanMode.FULL:
        for item in picked.tested:
            if item.takes_markup:
                yield from _probes(view, [(item, Bypass(Technique.MARKUP))])
        yield from _documents(view)
        for origin, path in _header_paths(view):
            for group_ in HEADER_GROUPS if path == "/" else HEADER_GROUPS[:EVERYWHERE]:
                yield from _headers(view, origin, path, group_, Technique.HEADER)


def around(view: ScanView) -> Iterator[Probe]:
    """Confirmation of what shared a request; then, for likely inputs that showed nothing, ways around filters."""
    yield from confirm(view)
    full = view.spec.mode is ScanMode.FULL
    listener = _listener(view)
    numbers = tuple(numbers_of(listener, "")) if listener and not _is_public(listener) else ()
    named = any(payload.hostname for payload in view.payloads.values())
    redirectors = _redirectors(view)
    heard, contacted = called(view), called(view, lookups=False)
    left = [item for item in bypassed(view) if item.place not in contacted]
    for item in left:
        if item.place in heard:
            yield from _turning(view, item)
    for group in groups(left):
        ways: list[list[tuple[Input, Bypass]]] = []
        for item in group:
            others = [other for other in redirectors.get(item.shape.origin, []) if other.place != item.place]
            tried = bypasses(
                item.parameter,
                item.shape.origin,
                len(others[:MAX_REDIRECTS]),
                named=named,
                numbers=numbers,
                quick=not full,
            )
            ways.append([(item, bypass) for bypass in tried])
        for turn in zip_longest(*ways):
            yield from _probes(view, [pair for pair in turn if pair is not None], redirectors)
    if full:
        for item in left:
            if item.rank >= _SIGN_RANK and item.place not in heard:
                yield from _nowhere(item)


def _turning(view: ScanView, item: Input) -> Iterator[Probe]:
    """For an input whose names are looked up: a name that passes a check of where it leads, and then leads to us."""
    host = item.shape.origin.host
    known = [host, *(a for fact in view.resolutions if fact.name == host for a in fact.addresses)]
    own = next((address for address in known if _is_ipv4(address)), "")
    if not own:
        return
    asset, location = item.place
    for _ in range(TURNS):
        payload = view.mint(check=CHECK, asset=asset, location=location, technique=Technique.TURNING, first=own)
        if payload is None:
            return
        request = with_value(item.shape, item.parameter, put_into(item.parameter.value, payload.url))
        if request is not None:
            yield _carrying(request, [payload], asset)


def _is_ipv4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def bypassed(view: ScanView) -> list[Input]:
    """The likely inputs that ways around filters are tried for: not on a service that did not answer the first round."""
    deaf = (Outcome.TIMED_OUT, Outcome.BLOCKED, Outcome.FAILED)
    likely = [
        item
        for item in chosen(view).likely()
        if (known := view.attempts.get((CHECK, item.place[0]))) is None or known.outcome not in deaf
    ]
    return likely[: MAX_BYPASSED[view.spec.mode]]


def confirm(view: ScanView) -> Iterator[Probe]:
    """What shared a request with others: alone, where it was called back, or where it is likely and silent."""
    yield from _confirm_headers(view)
    hit = {h.token for h in view.interactions.values() if not h.own}
    alone: set[tuple[str, str, str]] = set()
    together: list[Payload] = []
    for payload in payloads(view):
        if sum(token in view.payloads for token in find_tokens(payload.request)) > 1:
            together.append(payload)
        else:
            alone.add((payload.asset, payload.location, _alone(payload)))
    by_place = {item.place: item for item in chosen(view).tested}
    for payload in sorted(together, key=lambda p: p.token not in hit):
        place = (payload.asset, payload.location)
        item, bypass = by_place.get(place), bypass_of(payload)
        silent = payload.token not in hit
        if item is None or bypass is None or (*place, _alone(payload)) in alone:
            continue
        if (silent and (not item.rank or bypass.technique is not Technique.SHARED)) or (
            bypass.technique is Technique.OPEN_REDIRECT
        ):
            continue
        alone.add((*place, _alone(payload)))
        yield from _probes(
            view, [(item, Bypass(Technique.DIRECT) if _alone(payload) == Technique.DIRECT else bypass)]
        )


def _alone(payload: Payload) -> str:
    """The technique of a payload as it would be called alone."""
    return Technique.DIRECT if payload.technique == Technique.SHARED else payload.technique


def follow(view: ScanView) -> Iterator[Probe]:
    """What a proven fetch follows and speaks: redirects of ours, other schemes."""
    contacted = {
        h.token for h in view.interactions.values() if not h.own and h.protocol is not CallbackProtocol.DNS
    }
    by_place = {item.place: item for item in chosen(view).tested}
    done: set[tuple[str, str]] = set()
    for payload in payloads(view):
        place = (payload.asset, payload.location)
        item, bypass = by_place.get(place), bypass_of(payload)
        if payload.token not in contacted or item is None or bypass is None or place in done:
            continue
        if bypass.technique not in CARRIES_ON or len(done) >= MAX_FOLLOWED:
            continue
        done.add(place)
        yield from _followed(view, item, bypass)
        if view.spec.mode is ScanMode.FULL and bypass.technique in (Technique.DIRECT, Technique.SHARED):
            for scheme in SCHEMES:
                yield from _probes(view, [(item, Bypass(scheme))])


@dataclass(frozen=True, slots=True)
class _Minted:
    """One input with its payload and what it carries."""

    item: Input
    payload: Payload
    value: Value


def _probes(
    view: ScanView,
    pairs: Sequence[tuple[Input, Bypass]],
    redirectors: dict[Origin, list[Input]] | None = None,
) -> Iterator[Probe]:
    """One request for inputs of one shape; each alone where together they would be too long."""
    if not pairs:
        return
    shape = pairs[0][0].shape
    minted: list[_Minted] = []
    for item, bypass in pairs:
        payload = _mint(view, item.place, str(bypass))
        if payload is None:
            yield Skip(CHECK, item.place[0], NO_ADDRESS)
            return
        value = value_for(bypass, payload, item.parameter, _listener(view))
        if bypass.technique is Technique.OPEN_REDIRECT:
            value = _through(item, int(bypass.trusted), payload, redirectors or {}) or value
        minted.append(_Minted(item, payload, value))
    request = with_values(shape, {each.item.parameter: each.value for each in minted})
    if request is not None:
        yield _carrying(request, [each.payload for each in minted], minted[0].item.place[0])
    elif len(minted) > 1:
        for each in minted:
            alone = with_value(shape, each.item.parameter, each.value)
            if alone is not None:
                yield _carrying(alone, [each.payload], each.item.place[0])


def _carrying(request: HttpRequest, carried: Sequence[Payload], asset: str) -> HttpProbe:
    kept = [told(payload, request) for payload in carried]
    tag = " ".join(payload.token for payload in kept)
    return HttpProbe(CHECK, asset, request, tag=tag, payload=kept[0], also=tuple(kept[1:]))


def _mint(view: ScanView, place: tuple[str, str], technique: str) -> Payload | None:
    return view.mint(check=CHECK, asset=place[0], location=place[1], technique=technique)


def _followed(view: ScanView, item: Input, bypass: Bypass) -> Iterator[Probe]:
    payload = _mint(view, item.place, f"{Technique.FOLLOWED} {bypass}")
    if payload is None:
        yield Skip(CHECK, item.place[0], NO_ADDRESS)
        return
    value = value_for(bypass, redirecting(payload), item.parameter, _listener(view))
    request = with_value(item.shape, item.parameter, value)
    if request is not None:
        yield _carrying(request, [payload], item.place[0])


def _nowhere(item: Input) -> Iterator[Probe]:
    """Two requests with names that lead nowhere, for comparison (`detect.ssrf_signs`)."""
    for number in (1, 2):
        value = put_into(item.parameter.value, f"http://nowhere-{number}.invalid/probe.png")
        request = with_value(item.shape, item.parameter, value)
        if request is not None:
            yield HttpProbe(CHECK, item.place[0], request, tag=f"{NOWHERE} {item.place[1]}")


def _files(view: ScanView, item: Input) -> Iterator[Probe]:
    for kind in kinds_for(item.parameter.value):
        payload = _mint(view, item.place, f"{Technique.FILE} {kind}")
        if payload is None:
            yield Skip(CHECK, item.place[0], NO_ADDRESS)
            return
        request = with_value(item.shape, item.parameter, file_of(kind, payload))
        if request is not None:
            yield _carrying(request, [payload], item.place[0])


def _documents(view: ScanView) -> Iterator[Probe]:
    """XML bodies as documents with an external entity."""
    done: set[tuple[str, str]] = set()
    for shape in shapes(view):
        elements = [p for p in shape.parameters if p.place is InputPlace.XML]
        if not (elements or "xml" in shape.content_type) or unsafe_reason(shape) or shape.method == "GET":
            continue
        root = elements[0].name.partition(".")[0] if elements else "request"
        place = (str(shape.origin), location_of(shape, Parameter(root, InputPlace.XML)))
        if place in done or not view.spec.target.covers_origin(shape.origin):
            continue
        done.add(place)
        payload = _mint(view, place, Technique.ENTITY)
        if payload is None:
            yield Skip(CHECK, place[0], NO_ADDRESS)
            return
        body = xml_document(
            [(p.name, p.value) for p in elements],
            external=below(payload, "probe.txt"),
            subset=below(payload, "probe.dtd"),
        )
        request = with_body(shape, shape.content_type or XML, body)
        if request is not None:
            yield _carrying(request, [payload], place[0])


def _through(item: Input, number: int, payload: Payload, redirectors: dict[Origin, list[Input]]) -> str:
    """The address of a redirect of the target's own that leads to ours, "" where there is none."""
    others = [other for other in redirectors.get(item.shape.origin, []) if other.place != item.place]
    if number >= len(others):
        return ""
    leading = with_value(others[number].shape, others[number].parameter, payload.url)
    return leading.url if leading is not None else ""


def _redirectors(view: ScanView) -> dict[Origin, list[Input]]:
    """Inputs that redirect where they are told (found), or look as if they did where none was found."""
    proven = {(f.asset, f.location) for f in view.findings.values() if f.check == REDIRECT_CHECK}
    found: dict[Origin, list[Input]] = {}
    looks: dict[Origin, list[Input]] = {}
    for shape in view.shapes:
        for parameter in shape.parameters:
            if shape.method == "GET" and parameter.place is InputPlace.QUERY and redirect_rank(parameter):
                item = Input(shape, parameter)
                (found if item.place in proven else looks).setdefault(shape.origin, []).append(item)
    return looks | found


def _listener(view: ScanView) -> Origin | None:
    return listener_at(view.self_test.origin) if view.self_test is not None else None


def _is_public(listener: Origin) -> bool:
    try:
        return ipaddress.ip_address(listener.host).is_global
    except ValueError:
        return True


def _header_paths(view: ScanView) -> list[tuple[Origin, str]]:
    """The pages that are given headers: the first one, those that take something, and others that answered."""
    seen: dict[str, list[str]] = {}
    for shape_ in view.shapes:
        if shape_.method == "GET" and "{" not in shape_.path and not unsafe_reason(shape_):
            seen.setdefault(str(shape_.origin), []).append(shape_.path)
    for page in view.pages:
        origin, path = page_place(page.url)
        if page.status == 200 and not is_static(path) and not acting_word(path) and "html" in page.content_type:
            seen.setdefault(origin, []).append(path)
    paths: list[tuple[Origin, str]] = []
    for origin_ in origins(view)[:MAX_HEADER_ORIGINS]:
        own = dict.fromkeys(["/", *seen.get(str(origin_), [])])
        safe = [path for path in own if path.isascii() and path.isprintable() and " " not in path]
        paths += [(origin_, path) for path in safe[:MAX_HEADER_PATHS]]
    return paths


def page_place(url: str) -> tuple[str, str]:
    """The origin and the path of a page's address."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    return f"{scheme}://{authority}", (slash + target).partition("?")[0] or "/"


def _headers(
    view: ScanView, origin: Origin, path: str, group: Iterable[HeaderInput], technique: Technique
) -> Iterator[Probe]:
    carried: list[tuple[HeaderInput, Payload]] = []
    for header in group:
        payload = _mint(view, (str(origin), f"GET {path} {InputPlace.HEADER}:{header.name}"), technique)
        if payload is None:
            yield Skip(CHECK, str(origin), NO_ADDRESS)
            return
        carried.append((header, payload))
    yield _carrying(header_request(origin, path, carried), [payload for _, payload in carried], str(origin))


def _confirm_headers(view: ScanView) -> Iterator[Probe]:
    """Headers that shared a request with others and were called back: once more, each alone."""
    sent = payloads(view)
    alone = {(p.asset, p.location) for p in sent if p.technique == Technique.HEADER_ALONE}
    known = {str(origin): origin for origin in origins(view)}
    done: set[tuple[str, str]] = set()
    hit = called(view)
    for payload in sent:
        place = (payload.asset, payload.location)
        header = header_of(payload.location.rpartition(":")[2])
        if payload.technique != Technique.HEADER or place in alone | done or place not in hit or not header:
            continue
        done.add(place)
        path = payload.location.partition(" ")[2].rpartition(" ")[0]
        if payload.asset in known:
            yield from _headers(view, known[payload.asset], path, (header,), Technique.HEADER_ALONE)
