"""What a template would do to its target, decided from what it sends, before the first byte.

Three levels: light (reads what any visitor could), active (sends something that only a test would: a traversal, an
injection that computes or calls back), intrusive (would write, delete, upload, run commands, log in, or make the
target wait or work). Tags alone are not enough: most community templates that run a command carry none that says so.
So every text that leaves is read as well, through whatever it is wrapped in. Where in doubt the higher level is taken;
intrusive never runs unless the operator says so. More text in a template never lowers its level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from secrecon.model.scan import Touch
from secrecon.templates import signs
from secrecon.templates.flowscript import FlowScript
from secrecon.templates.leaving import Leaving, leaving
from secrecon.templates.leaving import methods as methods
from secrecon.templates.template import HttpBlock, Template
from secrecon.templates.unfolding import decoded, opaque, readings, unescaped

MAX_REASONS = 8
MANY = 100
"""Requests of one target, from which on a template tries a list."""
_LISTED_NAMES = frozenset(
    {"user", "username", "users", "usernames", "pass", "password", "pwd", "passwd", "passwords"}
)
_INTRUSIVE_TAGS = {
    "intrusive": "its author calls it intrusive",
    "dos": "denial of service",
    "fuzz": "fuzzing",
    "fuzzing": "fuzzing",
    "brute-force": "it tries many passwords",
    "bruteforce": "it tries many passwords",
    "default-login": "it logs in",
    "fileupload": signs.UPLOAD,
    "file-upload": signs.UPLOAD,
    "token-spray": "it uses somebody's token",
    "time-based-sqli": signs.WAIT,
    "time-based": signs.WAIT,
    "authenticated": "it logs in",
    "creds-stuffing": "it logs in",
    "credential-stuffing": "it logs in",
}
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES = frozenset(
    {
        "PUT",
        "DELETE",
        "PATCH",
        "MKCOL",
        "MOVE",
        "COPY",
        "PROPPATCH",
        "LOCK",
        "UNLOCK",
        "PURGE",
        "LINK",
        "UNLINK",
        "MERGE",
        "ACL",
        "BIND",
        "UNBIND",
        "REBIND",
        "MKCALENDAR",
        "CHECKIN",
        "CHECKOUT",
        "PUBLISH",
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a level was taken. `text`: the part that was seen, "" for a tag or a method."""

    why: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Safety:
    """`level`, and the reasons that led to it; none for light."""

    level: Touch
    reasons: tuple[Reason, ...] = ()

    @property
    def words(self) -> str:
        return (
            "; ".join(dict.fromkeys(reason.why for reason in self.reasons))
            or "it only reads what any visitor could"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a template may run, and in words why or why not."""

    allowed: bool
    why: str


def classify(template: Template) -> Safety:
    """The level of a template and what it was seen by."""
    sent = leaving(template)
    reasons = [Reason(_INTRUSIVE_TAGS[tag]) for tag in _tags(template) if tag in _INTRUSIVE_TAGS]
    reasons += [Reason(f"it sends {method}") for method in sorted(sent.methods & _WRITES)]
    reasons += [Reason("its method cannot be read", method) for method in sorted(sent.methods) if "{" in method]
    flow = template.flow.source if isinstance(template.flow, FlowScript) else ""
    made = signs.MAKES_TEXT.search(flow)
    reasons += (
        [Reason("a program of its own makes up what it sends", made.group(0).strip())] if made is not None else []
    )
    reasons += [Reason("it fuzzes")] if template.fuzzes else []
    reasons += [] if sent.complete else [Reason("there is more in it than is read")]
    reasons += [
        *_intrusive(template, sent),
        *_waits(template),
        *_credentials(template, sent),
        *_changes(sent),
        *_nuls(template, sent),
        *_doubts(template, sent),
    ]
    if reasons:
        return Safety(Touch.INTRUSIVE, tuple(dict.fromkeys(reasons))[:MAX_REASONS])
    active = tuple(dict.fromkeys(_active(template, sent)))
    return Safety(Touch.ACTIVE, active[:MAX_REASONS]) if active else Safety(Touch.LIGHT)


def decide(safety: Safety, touch: Touch) -> Decision:
    """Whether a template of this level may run where `touch` is allowed."""
    if safety.level.rank <= touch.rank:
        return Decision(True, f"{safety.level}: {safety.words}")
    if safety.level is Touch.INTRUSIVE:
        return Decision(False, f"by policy: intrusive templates do not run unless asked for ({safety.words})")
    return Decision(False, f"the target is not authorized for {safety.level} checks ({safety.words})")


def _intrusive(template: Template, sent: Leaving) -> Iterator[Reason]:
    """The signs in any reading of a text."""
    longest = signs.LONG if signs.SPEAKS_OF_CRASHES.search(_told(template)) else signs.VERY_LONG
    posts = bool(sent.methods - _READS)
    for text in sent.texts:
        shapes, complete = readings(text)
        if not complete:
            yield Reason("it is wrapped too often to be read")
        for shape in shapes:
            data = signs.data_of(shape)
            if signs.ANY_INTRUSIVE.search(data) is not None:
                yield from _named(data)
            posted = signs.POSTED.search(data) if posts else None
            if posted is not None:
                yield Reason(signs.CHANGE, _shown(posted.group(0)))
            if any(mark in shape for mark in signs.SERIALIZED) and not _harmless(shapes):
                yield Reason(signs.OBJECT)
            if len(shape) >= longest and any(char * longest in shape for char in signs.RUNS):
                yield Reason(signs.WORK)


def _named(data: bytes) -> Iterator[Reason]:
    for why, sign in signs.INTRUSIVE:
        match = sign.search(data)
        if match is not None:
            yield Reason(why, _shown(match.group(0)))


def _shown(found: bytes) -> str:
    return found.strip().decode("utf-8", "replace")[:80]


def _harmless(shapes: Iterable[str]) -> bool:
    """True for a serialized object that has no classes but those that look a name up."""
    named = {name for shape in shapes for name in signs.CLASSES.findall(shape)}
    return bool(named) and all(signs.HARMLESS.fullmatch(name) is not None for name in named)


def _active(template: Template, sent: Leaving) -> Iterator[Reason]:
    for text in sent.texts:
        for shape in readings(text)[0]:
            match = signs.ACTIVE.search(signs.data_of(shape))
            if match is not None:
                yield Reason("it sends what only a test would", _shown(match.group(0)))
                break
    for _, target in sent.targets:
        if signs.ODD.search(target) is not None or signs.ODD.search(unescaped(target)) is not None:
            yield Reason("it asks for what no link would", target[:80])
    if signs.SPEAKS_OF_FLAWS.search(f"{template.info.name} {' '.join(template.info.tags)}"):
        match = next((m for text in sent.texts if (m := signs.OWN_WORDS.search(text))), None)
        if match is not None:
            yield Reason("it tries a flaw", match.group(0).strip()[:80])
    for method in sorted(sent.methods - _READS):
        yield Reason(f"it sends {method}")
    if any(block.inputs for block in template.tcp):
        yield Reason("it talks to a network service")
    if sum(_asked(block) for block in template.http) > MANY:
        yield Reason("it tries a list of values")
    if isinstance(template.flow, FlowScript):
        yield Reason("a program of its own decides what it sends")
    if any(block.unsafe for block in template.http):
        yield Reason("it sends requests that break the rules of HTTP")
    if any(raw.annotations.host for block in template.http for raw in block.raws):
        yield Reason("it asks another host")


def _asked(block: HttpBlock) -> int:
    return max(len(block.paths), len(block.raws)) * (block.payloads.count if block.payloads is not None else 1)


def _told(template: Template) -> str:
    """What a template says of itself."""
    info = template.info
    return " ".join((info.name, info.description, *info.tags, info.classification.get("cwe-id", "")))


def _tags(template: Template) -> list[str]:
    return [tag.strip().lower() for tag in template.info.tags]


def _waits(template: Template) -> list[Reason]:
    """A verdict that rests on how long the answer took means that the target was made to wait."""
    timed = any(name.partition("_")[0] == "duration" for block in template.http for name in block.operators.reads)
    return [Reason(signs.WAIT)] if timed else []


def _credentials(template: Template, sent: Leaving) -> Iterator[Reason]:
    """Logging in: a password that the template brings, or a list of them; and what sockets are told to change."""
    payloads = [block.payloads for block in template.http] + [talk.payloads for talk in template.tcp]
    if any(name.lower() in _LISTED_NAMES for one in payloads if one is not None for name, _ in one.lists):
        yield Reason("it tries passwords")
    if any(block.digest_username and block.digest_password for block in template.http):
        yield Reason(signs.LOGIN)
    spoken = tuple(item.data.source for talk in template.tcp for item in talk.inputs)
    login = next((match.group(0) for text in spoken if (match := signs.SPOKEN_LOGIN.search(text))), "")
    if login:
        yield Reason(signs.LOGIN, login.strip()[:80])
    change = next((match.group(0) for text in spoken if (match := signs.SPOKEN_CHANGE.search(text))), "")
    if change:
        yield Reason(signs.CHANGE, change.strip()[:80])
    for _, target in sent.targets:
        match = signs.QUERY_PASSWORD.search(target)
        if match is not None:
            yield Reason(signs.LOGIN, match.group(0)[:80])
            return
    posts = bool(sent.methods - _READS)
    for text in sent.texts:
        for shape in readings(text)[0]:
            match = signs.CREDENTIAL.search(shape) if posts else None
            seen = match.group(0) if match is not None else _authorization(shape)
            if seen:
                yield Reason(signs.LOGIN, seen.strip()[:80])
                return


def _authorization(shape: str) -> str:
    """A header that logs in; not one whose password is empty, which asks whether none is needed."""
    for match in signs.AUTHORIZATION.finditer(shape):
        pair = decoded(match.group(1)) if match.group(1) else b""
        if not (pair.endswith(b":") and pair.count(b":") == 1):
            return str(match.group(0))
    return ""


def _changes(sent: Leaving) -> Iterator[Reason]:
    """A POST to something that is called after a change."""
    for method, target in sent.targets:
        if method in _READS:
            continue
        place, _, query = target.partition("?")
        match = signs.VERBS.search("/".join(place.split("/")[-2:]) + "?" + query)
        if match is not None:
            yield Reason(signs.CHANGE, match.group(0)[:80])
            return
        if signs.REGISTERS.search(target) is not None and any(signs.FIELDS.search(text) for text in sent.texts):
            yield Reason(signs.ACCOUNT, target[:80])
            return


def _nuls(template: Template, sent: Leaving) -> Iterator[Reason]:
    """A NUL byte in the address that is asked for: servers have died of it."""
    targets = [target for _, target in sent.targets] if template.http else []
    match = next((found for target in targets if (found := signs.NUL.search(target)) is not None), None)
    if match is not None:
        yield Reason("it sends a NUL byte", match.group(0).strip()[:80])


def _doubts(template: Template, sent: Leaving) -> Iterator[Reason]:
    """What cannot be read is taken for the worst that the template says of itself."""
    if not signs.SPEAKS_OF_COMMANDS.search(_told(template)):
        return
    for text in sent.texts:
        if "A" * 50 in text:
            yield Reason(signs.WORK)
            return
        match = signs.LONE_COMMAND.search(text)
        if match is not None:
            yield Reason(signs.COMMAND, match.group(0).strip()[:80])
            return
        for match in signs.OPAQUE.finditer(text):
            if opaque(match.group(0)):
                yield Reason("it sends what cannot be read, for a flaw that runs code", match.group(0)[:40])
                return
