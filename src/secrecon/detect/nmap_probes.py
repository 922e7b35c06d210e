"""Reads the probe file of an nmap that is installed beside us, for what its patterns say of answers. Pure.

The file is the operator's own: it is under nmap's licence, and never part of SecRecon. Its questions are not asked, as
nobody here has looked at what each does to a service; its patterns are used on greetings, and on answers to questions
of ours that are byte for byte the same. Patterns that RE2 does not take (look-around, back references) are left out and
counted. Everything is bounded. Format: https://nmap.org/book/vscan-fileformat.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import re2

from secrecon.detect.service_rules import Meaning

MAX_FILE = 16_000_000
MAX_LINE = 8_000
MAX_PATTERN = 1_500
MAX_MATCHES = 20_000
PATTERN_MEMORY = 1_000_000
SURE, SURE_SOFT = 0.85, 0.6

_PROBE = re.compile(r"Probe (TCP|UDP) (\S{1,60}) q(.)(.*?)\3(?:\s|$)")
_MATCH = re.compile(r"(soft)?match (\S{1,60}) m(.)(.*?)\3([is]{0,4})(?:\s+(.*))?$")
_FIELD = re.compile(r"(?:^|\s)([pv])([/|=@%!])(.*?)\2(?=\s|$)")
_CPE = re.compile(r"(?:^|\s)cpe:([/|=@%!])([aho]):([^/:\s]+):([^/:\s]+)(?::([^/\s]*?))?(?:/|\1)a?(?=\s|$)")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0abfnrtv\\])")
_PLAIN = {"0": 0, "a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "\\": 92}
_GROUP = re.compile(r"\$(?:(\d)|P\((\d)\)|SUBST\((\d),\"([^\"]*)\",\"([^\"]*)\"\))")


@dataclass(frozen=True, slots=True)
class _Match:
    service: str
    pattern: re2._Regexp
    product: str
    version: str
    cpe: str
    soft: bool


class NmapPatterns:
    """The patterns of one file. `read`: how many are used; `unusable`: how many of the same questions RE2 does not take or
    are out of shape; `unasked`: how many belong to questions that are not asked."""

    def __init__(self, text: str, ours: Iterable[bytes]) -> None:
        """`ours`: the questions that we ask; the greeting, b"", is always one."""
        self._by_said: dict[bytes, list[_Match]] = {said: [] for said in (b"", *ours)}
        self.read = self.unusable = self.unasked = 0
        current: list[_Match] | None = None
        for line in text[:MAX_FILE].splitlines():
            if len(line) > MAX_LINE:
                self.unusable += 1
            elif line.startswith("Probe "):
                current = self._of_probe(line)
            elif line.startswith(("match ", "softmatch ")):
                self._take(line, current)

    def _of_probe(self, line: str) -> list[_Match] | None:
        found = _PROBE.match(line)
        return self._by_said.get(unescaped(found[4])) if found and found[1] == "TCP" else None

    def _take(self, line: str, into: list[_Match] | None) -> None:
        if into is None:
            self.unasked += 1
            return
        match = _parsed(line) if self.read < MAX_MATCHES else None
        if match is None:
            self.unusable += 1
            return
        self.read += 1
        into.append(match)

    def meaning(self, said: bytes, data: bytes) -> Meaning | None:
        """What an answer to `said` means; the first match in the file's order, a soft one only where no other fits."""
        soft: Meaning | None = None
        for match in (*self._by_said.get(said, ()), *(self._by_said[b""] if said else ())):
            if match.soft and soft is not None:
                continue
            found = match.pattern.search(data)
            if found is None:
                continue
            meaning = _meaning(match, [group or b"" for group in found.groups()])
            if not match.soft:
                return meaning
            soft = meaning
        return soft


def unescaped(text: str) -> bytes:
    """The bytes that a question is written as."""

    def byte(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16) if code.startswith("x") else _PLAIN[code])

    return _ESCAPE.sub(byte, text).encode("latin-1", "replace")


def _parsed(line: str) -> _Match | None:
    found = _MATCH.match(line)
    if found is None or len(found[4]) > MAX_PATTERN:
        return None
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = "i" not in found[5]
    options.dot_nl = "s" in found[5]
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    try:
        pattern = re2.compile(found[4].encode("latin-1"), options)
    except (re2.error, UnicodeEncodeError):
        return None
    fields = {kind: value for kind, _, value in _FIELD.findall(found[6] or "")}
    cpe = _CPE.search(found[6] or "")
    name = f"cpe:2.3:{cpe[2]}:{cpe[3]}:{cpe[4]}" if cpe and "$" not in cpe[3] + cpe[4] else ""
    return _Match(found[2], pattern, fields.get("p", ""), fields.get("v", ""), name, bool(found[1]))


def _meaning(match: _Match, groups: list[bytes]) -> Meaning:
    product = re.sub(r"[^a-z0-9.]+", "-", _filled(match.product, groups).lower()).strip("-.")[:60]
    version = _filled(match.version, groups).strip()
    version = version if re.fullmatch(r"[\w.+~-]{1,60}", version, re.ASCII) else ""
    protocol = re.sub(r"[^a-z0-9+-]+", "-", match.service.lower()).removeprefix("ssl-")[:40]
    sure = SURE_SOFT if match.soft else SURE
    return Meaning(protocol, product, version, match.cpe, sure=sure, told_by="nmap's patterns")


def _filled(template: str, groups: list[bytes]) -> str:
    """The text with its groups put in; "" for a group that there is not."""

    def group(found: re.Match[str]) -> str:
        number = int(found[1] or found[2] or found[3])
        value = groups[number - 1].decode("latin-1") if 0 < number <= len(groups) else ""
        if found[3]:
            value = value.replace(found[4], found[5])
        return "".join(c for c in value if c.isprintable())[:200]

    return _GROUP.sub(group, template)[:400]
