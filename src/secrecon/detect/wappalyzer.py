"""Fingerprints in wappalyzergo's JSON, in the form of our own: one signal for each pattern, told by the feed's name.

What needs a browser (`js`, `dom`, `css`), a pattern that RE2 does not take, and one that is too long are left out and
counted. Of a technology that our own rules know (by id, name or CPE name), ours alone count. A file is data of somebody
else: bounded, and nothing in it can stop a scan. Format: github.com/projectdiscovery/wappalyzergo, fingerprints_data.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from secrecon.detect.fingerprint_format import Condition, Fingerprint, Kind, Signal
from secrecon.detect.fingerprint_patterns import BadPattern, compile_pattern

SOURCE = "wappalyzergo"
CONFIDENCE = 0.7
"""Of a pattern that the file is sure of; ours are told apart more carefully."""
MAX_TECHNOLOGIES = 20_000
MAX_SIGNALS = 60
"""Of one technology."""
_KINDS: dict[str, Kind] = {
    "headers": "header",
    "cookies": "cookie",
    "meta": "meta",
    "html": "html",
    "scriptSrc": "script",
    "scripts": "code",
}
_NAMED = frozenset({"headers", "cookies", "meta"})
_BROWSER = ("js", "dom", "css")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~:-]{1,80}")
_CPE = re.compile(r"cpe:2\.3:[aho]:[^:\s]{1,80}:[^:\s]{1,80}(?=:|$)")
_GROUP = re.compile(r"\\([1-9])")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file gave. `technologies`: how many it holds; `ours`: those that our own rules know; `left_out`: patterns that
    cannot be used, and those that need a browser."""

    fingerprints: tuple[Fingerprint, ...]
    technologies: int
    ours: int
    left_out: int

    @property
    def note(self) -> str:
        """What was made of it, in words."""
        return (
            f"{len(self.fingerprints):,} of {self.technologies:,} technologies are used, {self.ours:,} are told by our own "
            f"rules; {self.left_out:,} patterns need a browser or cannot be used"
        )


def read(text: bytes, own: Iterable[Fingerprint] = ()) -> Imported:
    """The technologies of a file. Raises ValueError where it is not of this format at all."""
    try:
        raw = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    apps = raw.get("apps") if isinstance(raw, dict) else None
    if not isinstance(apps, dict) or not 0 < len(apps) <= MAX_TECHNOLOGIES:
        raise ValueError(f"it holds no `apps`, or more than {MAX_TECHNOLOGIES:,}")
    known = list(own)
    ids = {_plain(name): entry.id for entry in known for name in (entry.name, entry.id)}
    products = {entry.cpe for entry in known if entry.cpe}
    made: dict[str, Fingerprint] = {}
    implied: dict[str, list[str]] = {}
    ours = left_out = 0
    for name, app in apps.items():
        if not isinstance(app, dict):
            left_out += 1
            continue
        cpe = _cpe(app)
        if _plain(name) in ids or cpe in products:
            ours += 1
            continue
        signals, lost = _signals(app)
        left_out += lost
        identity = _id(name)
        if signals and identity and identity not in made:
            made[identity] = Fingerprint(identity, name[:80], "feed", cpe, (), signals, SOURCE)
            implied[identity] = [_plain(each) for each in _texts(app.get("implies"))]
    names = ids | {_plain(entry.name): entry.id for entry in made.values()}
    told = (replace(entry, implies=_known(implied[entry.id], names, entry.id)) for entry in made.values())
    return Imported(tuple(told), len(apps), ours, left_out)


def _known(implied: Iterable[str], names: dict[str, str], own: str) -> tuple[str, ...]:
    found = dict.fromkeys(names[name] for name in implied if name in names)
    return tuple(name for name in found if name != own)


def _signals(app: dict[str, object]) -> tuple[tuple[Signal, ...], int]:
    """The signals of one technology, and how many of its patterns are left out."""
    made: dict[Signal, None] = {}
    left_out = sum(
        len(value) if isinstance(value, dict | list) else 1 for key in _BROWSER if (value := app.get(key))
    )
    for field, kind in _KINDS.items():
        for key, pattern in _patterns(app.get(field), named=field in _NAMED):
            signal = _signal(kind, key, pattern)
            if signal is None or len(made) >= MAX_SIGNALS:
                left_out += 1
            else:
                made[signal] = None
    return tuple(made), left_out


def _patterns(value: object, *, named: bool) -> Iterator[tuple[str, str]]:
    """(name of the header, cookie or meta tag, pattern) of one field."""
    if named and isinstance(value, dict):
        for key, inner in value.items():
            yield from ((key.lower(), text) for text in _texts(inner, empty=True))
    elif not named:
        yield from (("", text) for text in _texts(value))


def _texts(value: object, *, empty: bool = False) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and (text or empty)]


def _signal(kind: Kind, key: str, text: str) -> Signal | None:
    """One pattern with its tags (`\\;version:\\1`, `\\;confidence:50`); None where it cannot be used."""
    pattern, *tags = text.split("\\;")
    named = dict(tag.partition(":")[::2] for tag in tags)
    if (kind in ("header", "cookie", "meta")) != bool(key) or (key and not _NAME.fullmatch(key)):
        return None
    if not key and len(pattern) < 3:
        return None
    group = _GROUP.fullmatch(named.get("version", ""))
    try:
        if pattern:
            pattern = _with_version(pattern, int(group[1])) if group else pattern
            compile_pattern(pattern)
    except BadPattern:
        return None
    share = named.get("confidence", "100")
    sure = min(int(share), 100) if share.isascii() and share.isdecimal() and len(share) <= 3 else 50
    return Signal((Condition(kind, key, pattern),), round(max(CONFIDENCE * sure / 100, 0.05), 2))


def _with_version(pattern: str, number: int) -> str:
    """The pattern with its capturing group of that number named `version`; as it is where it has no such group."""
    at, found, inside = 0, 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            at += pattern.startswith(("[]", "[^"), at)
            at += pattern.startswith("^]", at)
        elif char == "(" and not pattern.startswith("(?", at):
            found += 1
            if found == number:
                return f"{pattern[:at]}(?P<version>{pattern[at + 1 :]}"
        at += 1
    return pattern


def _cpe(app: dict[str, object]) -> str:
    found = _CPE.match(text.lower()) if isinstance(text := app.get("cpe"), str) else None
    return found[0] if found else ""


def _id(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60]


def _plain(name: str) -> str:
    """A name without its tags, spaces and marks, to tell whether two are one."""
    return re.sub(r"[^a-z0-9]+", "", name.split("\\;")[0].lower())
