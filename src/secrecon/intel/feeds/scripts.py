"""The RetireJS repository: JavaScript libraries with the versions that are affected.

Only the flaws are read. Its patterns for finding a library in a page are not used: they are written for another engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.nvd import urls
from secrecon.intel.records import PackageFlaw, PackageRange

PROVIDER = "retirejs"
ECOSYSTEM = "npm"


class _Flaw(msgspec.Struct, rename="camel"):
    below: str = ""
    at_or_above: str = ""
    severity: str = ""
    identifiers: dict[str, object] = {}
    info: list[str] = []


class _Library(msgspec.Struct):
    vulnerabilities: list[_Flaw] = []
    npmname: str = ""
    bowername: list[str] = []


def read(body: bytes) -> Iterator[tuple[str, PackageFlaw] | None]:
    """(key such as `js/jquery`, flaw); None for a library or flaw that does not fit. Raises FeedBroken."""
    try:
        libraries = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FeedBroken(f"the repository is not JSON of libraries: {str(error)[:120]}") from error
    for name, raw in libraries.items():
        try:
            library = msgspec.json.decode(raw, type=_Library)
        except msgspec.MsgspecError:
            yield None
            continue
        names = {name.lower(), library.npmname.lower(), *(other.lower() for other in library.bowername)} - {""}
        for number, flaw in enumerate(library.vulnerabilities):
            made = _flaw(name, number, flaw)
            for key in sorted(names):
                yield None if made is None else (f"js/{key}", made)


def _flaw(name: str, number: int, flaw: _Flaw) -> PackageFlaw | None:
    if not flaw.below:
        return None
    known = flaw.identifiers
    cves = known.get("CVE", [])
    aliases = [str(cve) for cve in cves] if isinstance(cves, list) else [str(cves)]
    advisory = str(known.get("githubID", ""))
    return PackageFlaw(
        (advisory or (aliases[0] if aliases else "") or f"retirejs:{name}:{number}")[:80],
        PROVIDER,
        ECOSYSTEM,
        tuple(alias[:80] for alias in dict.fromkeys([*aliases, *([advisory] if advisory else [])])),
        (PackageRange(flaw.at_or_above[:100], flaw.below[:100]),),
        (),
        str(known.get("summary", ""))[:600],
        (),
        urls(flaw.info),
        flaw.severity.lower()[:20],
    )
