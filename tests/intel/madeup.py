"""Small feeds of our own making, in the formats of the real ones, for the tests of everything that reads them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.index.build import SourceFile

Json = dict[str, object]


def criteria(product: str, version: str = "*", update: str = "*", target: str = "*") -> str:
    """A CPE name of `a:vendor:product`."""
    return f"cpe:2.3:{product}:{version}:{update}:*:*:*:{target}:*:*"


def match(
    product: str,
    version: str = "*",
    limits: Mapping[str, str] = {},
    *,
    vulnerable: bool = True,
    update: str = "*",
    **more: str,
) -> Json:
    """A cpeMatch; limits by NVD's names without `version`, such as endExcluding."""
    given = {f"version{name[0].upper()}{name[1:]}": value for name, value in {**limits, **more}.items()}
    return {"vulnerable": vulnerable, "criteria": criteria(product, version, update), **given}


def node(*matches: Json, operator: str = "OR", negate: bool = False) -> Json:
    return {"operator": operator, "negate": negate, "cpeMatch": list(matches)}


def cve(
    cve_id: str,
    *configurations: Sequence[Json],
    score: float | None = 9.8,
    status: str = "Analyzed",
    modified: str = "2026-01-02T00:00:00.000",
    joined: bool = False,
) -> Json:
    """An NVD record. Each configuration is its nodes; `joined`: its nodes belong together."""
    vector = {
        9.8: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        5.3: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",
    }
    metrics: Json = {}
    if score is not None:
        data = {"version": "3.1", "vectorString": vector.get(score, ""), "baseScore": score, "baseSeverity": "X"}
        metrics = {"cvssMetricV31": [{"source": "nvd@nist.gov", "type": "Primary", "cvssData": data}]}
    made = [{"nodes": list(nodes), **({"operator": "AND"} if joined else {})} for nodes in configurations]
    return {
        "cve": {
            "id": cve_id,
            "published": "2026-01-01T00:00:00.000",
            "lastModified": modified,
            "vulnStatus": status,
            "descriptions": [{"lang": "es", "value": "Un fallo"}, {"lang": "en", "value": f"A flaw, {cve_id}."}],
            "metrics": metrics,
            "weaknesses": [
                {"description": [{"lang": "en", "value": "CWE-22"}, {"lang": "en", "value": "NVD-CWE-Other"}]}
            ],
            "references": [{"url": "https://vendor.test/advisory"}, {"url": "javascript:alert(1)"}],
            "configurations": made,
        }
    }


def nvd(*records: Json, told: int | None = None) -> bytes:
    """A file of NVD JSON 2.0."""
    count = len(records) if told is None else told
    return json.dumps(
        {
            "resultsPerPage": count,
            "startIndex": 0,
            "totalResults": count,
            "format": "NVD_CVE",
            "version": "2.0",
            "timestamp": "2026-11-20T00:00:00.000",
            "vulnerabilities": list(records),
        }
    ).encode()


def kev(*ids: str, date: str = "2026-11-19") -> bytes:
    """CISA's catalogue."""
    entries = [
        {
            "cveID": cve_id,
            "vendorProject": "Acme",
            "product": "Server",
            "vulnerabilityName": "Acme Server flaw",
            "dateAdded": "2026-11-01",
            "dueDate": "2026-11-22",
            "requiredAction": "Update.",
            "knownRansomwareCampaignUse": "Known",
            "somethingNew": "Yes",
        }
        for cve_id in ids
    ]
    return json.dumps(
        {
            "title": "catalogue",
            "catalogVersion": "2026.11.19",
            "dateReleased": f"{date}T10:00:00.0000Z",
            "count": len(entries),
            "vulnerabilities": entries,
        }
    ).encode()


def epss(scores: Mapping[str, tuple[float, float]], date: str = "2026-11-24") -> bytes:
    """FIRST's table, packed."""
    lines = [f"#model_version:v2026.03.01,score_date:{date}T00:00:00+0000", "cve,epss,percentile"]
    lines += [f"{name},{score:.5f},{percentile:.5f}" for name, (score, percentile) in scores.items()]
    return gzip.compress(("\n".join(lines) + "\n").encode())


def ssvc(rows: Mapping[str, tuple[str, str, str]]) -> bytes:
    """CISA's decision points."""
    lines = ["cve,exploitation,automatable,technical_impact,timestamp"]
    lines += [f"{name},{','.join(points)},2026-10-01T00:00:00Z" for name, points in rows.items()]
    return ("\n".join(lines) + "\n").encode()


def osv(*records: Json) -> bytes:
    """An `all.zip`."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return body.getvalue()


def osv_record(name: str, ecosystem: str, package: str, *events: Json, aliases: Sequence[str] = ()) -> Json:
    return {
        "id": name,
        "modified": "2026-11-01T00:00:00Z",
        "summary": f"{package} has a flaw",
        "aliases": list(aliases),
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": list(events)},
                    {"type": "GIT", "events": [{"introduced": "0"}]},
                ],
            }
        ],
    }


def retire() -> bytes:
    """A RetireJS repository of one library and one that does not fit."""
    return json.dumps(
        {
            "widget": {
                "npmname": "widget-js",
                "bowername": ["Widget"],
                "vulnerabilities": [
                    {
                        "below": "2.0.0",
                        "severity": "high",
                        "identifiers": {"CVE": ["CVE-2026-7001"], "summary": "XSS"},
                    },
                    {"atOrAbove": "3.0.0", "below": "3.1.0", "identifiers": {"githubID": "GHSA-aaaa-bbbb-cccc"}},
                ],
                "extractors": {"func": ["widget.version"]},
            },
            "broken": {"vulnerabilities": "none"},
        }
    ).encode()


def source(folder: Path, name: str, body: bytes) -> SourceFile:
    """A feed file in a folder."""
    path = folder / name
    path.write_bytes(body)
    return SourceFile(name, sha256(body).hexdigest(), path)


def sources(folder: Path, **files: bytes) -> dict[Kind, list[SourceFile]]:
    """One file for each named kind."""
    return {Kind(kind): [source(folder, f"{kind}-file", body)] for kind, body in files.items()}
