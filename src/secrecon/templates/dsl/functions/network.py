"""Functions whose answer only the network knows. Each is a question to the run's ambient; nothing is asked here."""

from __future__ import annotations

from secrecon.templates.dsl.functions.declare import Function, fixed, ranged
from secrecon.templates.dsl.run import Question, Run
from secrecon.templates.dsl.values import Value, text_of
from secrecon.templates.errors import DslError

_TYPES = {"4": "a", "ip4": "a", "a": "a", "6": "aaaa", "ip6": "aaaa", "aaaa": "aaaa"} | {
    name: name for name in ("cname", "ns", "txt", "srv", "ptr", "mx", "soa", "caa")
}
MAX_NAME = 253


def _name(value: Value, what: str) -> str:
    shown = text_of(value).decode("latin-1").strip()
    if not 0 < len(shown) <= MAX_NAME or not shown.isascii() or not shown.isprintable() or " " in shown:
        raise DslError(f"{what} needs a name or an address")
    return shown


def _resolve(run: Run, name: Value, kind: Value = b"4") -> Value:
    """The first record of a name: an address, or what `kind` names."""
    wanted = text_of(kind).decode("latin-1").strip().lower()
    if wanted not in _TYPES:
        raise DslError(f"resolve knows {', '.join(_TYPES)}, not {wanted[:20]}")
    return run.ambient.look(Question("resolve", _name(name, "resolve"), _TYPES[wanted]))


def _jarm(run: Run, address: Value) -> Value:
    """The JARM fingerprint of host:port, or of port 443."""
    return run.ambient.look(Question("jarm", _name(address, "jarm")))


NETWORK: tuple[Function, ...] = (ranged("resolve", 1, 2, _resolve), fixed("jarm", 1, _jarm))
