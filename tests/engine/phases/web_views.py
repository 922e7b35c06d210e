"""Views and replies made by hand, for phases whose plan and judgement are pure."""

from __future__ import annotations

from secrecon.engine.view import ScanView
from secrecon.model.asset import Service, TlsInfo
from secrecon.model.http import Headers, HttpExchange, HttpReply
from secrecon.model.interaction import Payload
from secrecon.model.probe import HttpProbe, Reply
from secrecon.model.scan import Budget, Outcome, ScanMode, ScanSpec, Touch
from secrecon.model.target import Origin, parse_target


def no_mint(*, check: str, asset: str, location: str, technique: str, first: str = "") -> Payload | None:
    return None


def view_of(
    target: str,
    *origins: Origin,
    mode: ScanMode = ScanMode.FULL,
    pages: int = 200,
    paths: int = 0,
    tls: TlsInfo | None = None,
) -> ScanView:
    spec = ScanSpec("7" * 32, parse_target(target), mode, Touch.LIGHT, Budget(pages=pages, paths=paths))
    view = ScanView(spec=spec, mint=no_mint, now=1_795_000_000.0)
    services = [Service(o.host, "192.0.2.1", o.port, o.scheme, o, "", tls) for o in origins]
    view.add(services, (), ())
    return view


def answered(
    probe: HttpProbe, body: bytes, kind: str = "text/html", status: int = 200, more: Headers = ()
) -> Reply:
    headers: Headers = (("Content-Type", kind), *more)
    head = f"HTTP/1.1 {status} OK\r\n\r\n".encode()
    reply = HttpReply(status, "OK", headers, body, head, body, b"", False, (), 0.1, "192.0.2.1")
    return Reply(probe, Outcome.DONE, http=HttpExchange(probe.request, reply))


def failed(probe: HttpProbe, outcome: Outcome = Outcome.TIMED_OUT) -> Reply:
    return Reply(probe, outcome, "nothing came", "TargetTimeout")
