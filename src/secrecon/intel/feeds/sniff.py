"""Which format a file is, told by its content and never by its name: operators rename downloads.

Only the first plain bytes, or the first few members of an archive, are looked at. That a file was recognised says nothing
about its being whole or well-formed; its reader finds that out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

from secrecon.intel.feeds import archives
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.opening import head

HEAD = 65_536
MEMBERS = 40
"""Members of an archive to look at before giving up: repositories begin with licences and settings."""
KNOWN = (
    "NVD JSON 2.0, CISA KEV, EPSS CSV, OSV all.zip, CVE JSON 5, SSVC CSV, nuclei templates, wappalyzergo "
    "fingerprints, RetireJS repository, nvd-data-overrides"
)
_KEY = re.compile(r'"((?:[^"\\]|\\.){1,80})"\s*:')
_TEMPLATE = re.compile(r"^id:\s*\S", re.MULTILINE)
_TEMPLATE_INFO = re.compile(r"^info:\s*$", re.MULTILINE)


def sniff(packed: BinaryIO) -> Kind:
    """The format of a file. Raises FeedBroken where it is none that can be read."""
    packed.seek(0)
    if archives.is_zip(packed.read(4)):
        return _of_members(archives.zip_members(packed, (".json", ".yaml", ".yml")))
    start = head(packed, HEAD)
    if not start:
        raise FeedBroken("the file is empty")
    if archives.is_tar(start):
        return _of_members(archives.tar_members(packed, (".json", ".yaml", ".yml")))
    kind = kind_of_text(start.decode("utf-8-sig", "replace"))
    if kind is None:
        raise FeedBroken(f"the format is none of those that can be read: {KNOWN}")
    return kind


def _of_members(members: Iterator[archives.MemberFile]) -> Kind:
    for member in itertools.islice(members, MEMBERS):
        text = member.body[:HEAD].decode("utf-8-sig", "replace")
        kind = kind_of_text(text) if member.name.lower().endswith(".json") else _template(text)
        if kind is not None:
            return kind
    raise FeedBroken(f"the archive holds nothing that can be read: {KNOWN}")


def _template(text: str) -> Kind | None:
    return Kind.TEMPLATES if is_template(text) else None


def is_template(text: str) -> bool:
    """Whether a YAML text looks like a template: an id and an info block at the top level."""
    return _TEMPLATE.search(text) is not None and _TEMPLATE_INFO.search(text) is not None


def kind_of_text(text: str) -> Kind | None:
    """The format of a text by its first characters."""
    text = text.lstrip()
    if not text.startswith("{"):
        return _of_table(text)
    keys = {match[1] for match in _KEY.finditer(text)}
    if "CVE_RECORD" in text[:2000] and "dataVersion" in keys:
        return Kind.CVE5
    if "NVD_CVE" in text[:2000] or ({"vulnerabilities", "resultsPerPage"} <= keys):
        return Kind.NVD
    if "catalogVersion" in keys or {"cveID", "dateAdded"} <= keys:
        return Kind.KEV
    if {"apps", "cats"} <= keys:
        return Kind.FINGERPRINTS
    if {"id", "modified"} <= keys and keys & {"affected", "schema_version", "withdrawn"}:
        return Kind.OSV
    if "vulnerabilities" in keys and keys & {"below", "extractors", "atOrAbove"}:
        return Kind.RETIRE
    return Kind.OVERRIDES if _is_override(text) else None


def _is_override(text: str) -> bool:
    keys = {match[1] for match in _KEY.finditer(text[:8000])}
    return {"cve", "configurations"} <= keys and "vulnerabilities" not in keys


def _of_table(text: str) -> Kind | None:
    lines = text.split("\n", 2)
    header = (lines[1] if lines[0].startswith("#") and len(lines) > 1 else lines[0]).strip().lower()
    if header.startswith("cve,epss"):
        return Kind.EPSS
    if header.startswith("cve,exploitation,automatable"):
        return Kind.SSVC
    return _template(text)
