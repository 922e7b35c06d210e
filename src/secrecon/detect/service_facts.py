"""What an inquiry came to, as facts and findings: the service, its technology, and what it shows to everyone. Pure.

A version is only ever what the service said. A finding says what was shown, by which words exchanged; nothing that was
not tried is claimed. All text shown is cut and escaped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from secrecon.detect.evidence import excerpt, printable
from secrecon.detect.packaged import packaged
from secrecon.detect.service_inquiry import Told
from secrecon.detect.service_rules import Exposed
from secrecon.model.asset import Service, Technology, TlsInfo
from secrecon.model.finding import Evidence, EvidenceLevel, Finding

MAX_BANNER = 200
_TEXTS = re.compile(rb"[\x20-\x7e]{4,}")
MAX_SAID = 800
MAX_HEARD = 1_500


def service_of(told: Told, host: str, address: str, port: int, tls: TlsInfo | None) -> Service:
    """The service as it is kept: of a web server too, where no origin of the target answers on it."""
    return Service(
        host,
        address,
        port,
        told.name,
        None,
        banner_of(told.heard),
        tls,
        told.product,
        told.version,
    )


def banner_of(heard: bytes) -> str:
    """What of the first words can be read, in one line: text as it is, of binary words the texts in them."""
    cut = heard[: 4 * MAX_BANNER]
    if b"\0" not in cut:
        return " ".join(printable(cut).split())[:MAX_BANNER]
    return " … ".join(text.decode("ascii") for text in _TEXTS.findall(cut))[:MAX_BANNER]


def technology_of(told: Told, asset: str) -> Technology | None:
    """The product that the service named; None where it named none."""
    if not told.product:
        return None
    text = banner_of(told.heard)
    build = packaged(told.product, told.version, _readable(told.heard))
    source = "greeting" if not told.said else f"answer to {banner_of(told.said)[:60]}"
    return Technology(
        asset=asset,
        name=told.product,
        version=told.version,
        cpe=told.cpe,
        evidence=f"{source} ({told.told_by}): {text}"[:300],
        confidence=told.sure,
        distribution=build.distribution,
        package=build.package,
        package_version=build.package_version,
    )


def _readable(heard: bytes) -> str:
    """The longest run of printable characters at the beginning lines: binary greetings hold their version as text."""
    runs: list[str] = [""]
    for byte in heard[:2_000]:
        if 0x20 <= byte < 0x7F:
            runs[-1] += chr(byte)
        elif runs[-1]:
            runs.append("")
    return max(runs[:8], key=len)


def findings_of(told: Told, exposed: Iterable[Exposed], service: Service) -> tuple[Finding, ...]:
    """One finding for each thing that the service shows to everyone. `exposed`: their words."""
    return tuple(_finding(told, entry, service) for entry in exposed)


def _finding(told: Told, entry: Exposed, service: Service) -> Finding:
    where = f"{service.host}:{service.port}"
    said = excerpt(told.said, MAX_SAID) if told.said else "(nothing was said)"
    evidence = Evidence(
        kind="tcp",
        summary=f"{service.protocol} at {service.address}, port {service.port}",
        request=said,
        response=excerpt(told.heard, MAX_HEARD),
        matcher=f"the answer is that of {service.protocol} to a client that showed no credentials",
        curl=replay(told.said, service.host, service.port, tls=told.tls),
    )
    return Finding(
        check=f"service.{entry.id}",
        title=entry.title,
        severity=entry.severity,
        asset=service.asset,
        location=told.protocol,
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=entry.confidence,
        evidence=(evidence,),
        description=entry.description.replace("{where}", where),
        impact=entry.impact,
        remediation=entry.remediation,
        references=entry.references,
        cwe=entry.cwe,
    )


def replay(said: bytes, host: str, port: int, *, tls: bool = False) -> str:
    """A shell command that repeats the exchange: `printf` writes the bytes, nc or openssl carries them."""
    text = "".join(_printf(byte) for byte in said)
    ends = f"{shlex.quote(host)} {port}"
    carry = f"nc -w 3 {ends}"
    if tls:
        name = f"[{host}]" if ":" in host else host
        carry = f"openssl s_client -quiet -connect {shlex.quote(f'{name}:{port}')}"
    return f"printf {shlex.quote(text)} | {carry}" if said else f"{carry} < /dev/null"


def _printf(byte: int) -> str:
    """A byte as printf takes it: percent sign and backslash mean something to it, and so does a dash at the beginning."""
    if byte == 0x25:
        return "%%"
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in (0x2D, 0x5C) else f"\\{byte:03o}"
