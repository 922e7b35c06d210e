"""The formats that can be read, and who each kind of data comes from: the attribution that its licence asks for.

The provider's name goes on every record read from it, so that a score or a range can always be traced to who said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a file is, by its content."""

    NVD = "nvd"
    KEV = "kev"
    EPSS = "epss"
    OSV = "osv"
    CVE5 = "cve5"
    SSVC = "ssvc"
    RETIRE = "retirejs"
    FINGERPRINTS = "fingerprints"
    OVERRIDES = "overrides"
    TEMPLATES = "templates"


@dataclass(frozen=True, slots=True)
class About:
    """`provider`: who says it. `stale_days`: older than this, its health says so; 0 for data without a rhythm."""

    title: str
    provider: str
    licence: str
    attribution: str
    stale_days: int


ABOUT = {
    Kind.NVD: About(
        "CVE records with CVSS and affected products",
        "nvd",
        "public domain",
        "This product uses data from the NVD but is not endorsed or certified by the NVD.",
        8,
    ),
    Kind.KEV: About("Known exploited vulnerabilities", "cisa-kev", "CC0-1.0", "CISA KEV catalog", 14),
    Kind.EPSS: About(
        "Exploit prediction scores", "epss", "free with attribution", "EPSS scores by FIRST, first.org/epss", 4
    ),
    Kind.OSV: About(
        "Vulnerabilities of open source packages", "osv", "CC-BY-4.0 and others by source", "OSV, osv.dev", 14
    ),
    Kind.CVE5: About(
        "CVE records with CISA's additions",
        "cve.org",
        "CVE terms of use; CISA's part CC0-1.0",
        "CVE Program, CISA ADP",
        14,
    ),
    Kind.SSVC: About("SSVC decision points", "cisa-ssvc", "CC0-1.0", "CISA Vulnrichment", 0),
    Kind.RETIRE: About(
        "Vulnerable JavaScript libraries", "retirejs", "Apache-2.0", "RetireJS by Erlend Oftedal and others", 60
    ),
    Kind.FINGERPRINTS: About(
        "Technology fingerprints", "wappalyzergo", "MIT", "wappalyzergo by ProjectDiscovery", 0
    ),
    Kind.OVERRIDES: About(
        "Corrections of NVD's affected products", "anchore", "CC0-1.0", "nvd-data-overrides by Anchore", 0
    ),
    Kind.TEMPLATES: About("Check templates", "nuclei-templates", "MIT", "nuclei-templates by ProjectDiscovery", 0),
}
