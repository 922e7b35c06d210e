"""Runs templates on a program through the command line, as a user would, and reads the JSON lines it prints.

With `--matcher-status` every template says what it came to, so that one that failed is not taken for one that found
nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.accuracy.nouns import Seen

SECONDS = 1800.0
CALLBACKS = {
    "SECRECON_OAST_DOMAIN": "callback.test",
    "SECRECON_OAST_HTTP_PORT": "80",
    "SECRECON_OAST_DNS_PORT": "53",
    "SECRECON_OAST_LDAP_PORT": "389",
}
"""The listener as it is where a domain is delegated to it, on loopback; the namespace asks it for every name."""
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,7}\b", re.IGNORECASE)
_CLAIM = re.compile(rb"^\s*cve-id:\s*(.+)$", re.MULTILINE)


class NotAsked(Exception):
    """The command failed; its last words."""


def ask(templates: Sequence[Path], url: str, data: Path, *, status: bool = True, rate: int = 500) -> Seen:
    """What templates (files or folders) say of one URL. `data`: a folder for the command's own data. Raises NotAsked."""
    words = [sys.executable, "-m", "secrecon", "templates", "run", "-u", url, "--jsonl", "--rate", str(rate)]
    words += ["--cooldown", "3", *(["--matcher-status"] if status else [])]
    for path in templates:
        words += ["-t", str(path)]
    variables = {**os.environ, **CALLBACKS, "SECRECON_DATA_DIR": str(data)}
    try:
        done = subprocess.run(words, env=variables, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotAsked(f"the templates took longer than {SECONDS:.0f} s") from None
    if done.returncode != 0:
        raise NotAsked(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    seen = read(done.stdout.decode(errors="replace").splitlines())
    if not status:
        return Seen(seen.found, seen.cves, _attempts(done.stderr.decode(errors="replace")))
    return seen


def read(lines: Iterable[str]) -> Seen:
    """JSON lines of `templates run --matcher-status`, one or more a template."""
    found: set[str] = set()
    cves: set[str] = set()
    ran: set[str] = set()
    failed: dict[str, str] = {}
    for line in lines:
        record = json.loads(line)
        name = str(record["template-id"])
        if record["matcher-status"]:
            found.add(name)
            cves |= claims(name, record["info"].get("classification", {}).get("cve-id", ""))
        elif record.get("error"):
            failed[name] = str(record["error"])
            continue
        ran.add(name)
    still = {name: reason for name, reason in failed.items() if name not in found}
    return Seen(tuple(sorted(found)), frozenset(cves), len(ran - still.keys()), still)


def claims(name: str, classified: object) -> set[str]:
    """The CVE ids that a template looks for: those of its classification, else the one that its id is."""
    text = " ".join(map(str, classified)) if isinstance(classified, list) else str(classified or "")
    return {found.upper() for found in _CVE.findall(text) or _CVE.findall(name)}


def looking_for(folder: Path) -> dict[str, list[Path]]:
    """CVE id to the template files below a folder that look for it."""
    index: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*.yaml")):
        said = b" ".join(_CLAIM.findall(file.read_bytes())).decode(errors="replace")
        for cve in claims(file.stem, said):
            index.setdefault(cve, []).append(file)
    return index


def template_id(file: Path) -> str:
    """The id that a template file gives itself; its name where it gives none."""
    found = re.search(r"^id:\s*[\"']?([\w-]+)", file.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else file.stem


def _attempts(said: str) -> int:
    found = re.search(r"^([\d,]+) attempts", said, re.MULTILINE)
    return int(found[1].replace(",", "")) if found else 0
