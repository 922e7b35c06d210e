"""What a service's banner says of itself: product, version, and the distribution's package with its revision.

`OpenSSH_8.4p1 Debian-5+deb11u3` is Debian 11's package openssh in version 1:8.4p1-5+deb11u3, which the distribution's own
data answers for: fixed or affected. The banner is a claim like any other. A release is taken from the revision where that
names it, else from the one release that shipped the upstream version; a backport or a rebuild by somebody else names no
package. Nothing here knows CVEs. Names follow the OSV schema's ecosystems and package URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from secrecon.detect.fingerprint_patterns import PatternSet

MAX_BANNER = 400
"""Characters of a banner that are looked at."""

_DISTRIBUTIONS = (
    (r"\(raspbian\)|\+rpt\d|\braspbian-\d", "Raspbian"),
    (r"[+~]deb(?P<version>\d+)u\d", "Debian {}"),
    (r"[-+~.]\d*ubuntu\d|\(ubuntu\)|~ubuntu|\bubuntu-\d|\d[ -]ubuntu\b", "Ubuntu"),
    (r"\(debian(?:/gnu)?\)|[-+~]deb\d|~debian|\bdebian-\d|\d-debian\b", "Debian"),
    (r"[-._]el(?P<version>\d+)(?:[_.\W]|$)", "el{}"),
    (r"[-._]amzn(?P<version>\d+)|\(amazon linux\)", "Amazon Linux"),
    (r"\(centos[^)]*\)", "CentOS"),
    (r"\(red hat[^)]*\)", "Red Hat"),
    (r"\(alma\s?linux\)", "AlmaLinux"),
    (r"\(rocky linux\)", "Rocky Linux"),
    (r"\(oracle linux[^)]*\)", "Oracle Linux"),
    (r"\(fedora[^)]*\)|[-._]fc\d+(?:\W|$)", "Fedora"),
    (r"\((?:open)?suse[^)]*\)|\(linux/suse\)", "SUSE"),
    (r"-alpine\d|\(alpine\)", "Alpine"),
    (r"\(gentoo[^)]*\)", "Gentoo"),
    (r"\bfreebsd-\d", "FreeBSD"),
)
_DISTRIBUTION_SET = PatternSet(pattern for pattern, _ in _DISTRIBUTIONS)

_DEBIAN_OF = {
    "openssh": {
        "6.0p1": "7",
        "6.7p1": "8",
        "7.4p1": "9",
        "7.9p1": "10",
        "8.4p1": "11",
        "9.2p1": "12",
        "10.0p1": "13",
    }
}
_UBUNTU_OF = {
    "openssh": {
        "5.9p1": "12.04",
        "6.6p1": "14.04",
        "7.2p2": "16.04",
        "7.6p1": "18.04",
        "8.2p1": "20.04",
        "8.9p1": "22.04",
        "9.6p1": "24.04",
    },
    "php": {"7.4.3": "20.04", "8.1.2": "22.04", "8.3.6": "24.04"},
}
"""Package to upstream version to the one release that ships it, where the revision does not name the release."""
_SHIPPED_AS = {"6.6.1p1": "6.6p1", "10.0p2": "10.0p1"}
"""What OpenSSH calls itself, to the version that its package has."""

_REVISION = r"(?P<revision>[0-9][0-9A-Za-z.+~]{0,60})"
_FOREIGN = re.compile(r"~bpo|~\d{8}|\+rpt|ppa|sury", re.IGNORECASE)
"""Revisions of packages that are not the release's own."""
_DEBIAN_TAG = re.compile(r"[+~]deb(\d{1,2})u\d")
_UBUNTU_TAG = re.compile(r"ubuntu[0-9.]*?(\d\d\.(?:04|10))(?:\.\d|$|[+~])")
_UBUNTU = re.compile(r"\d(?:build|ubuntu)\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Packaged:
    """`product`: the fingerprint's id; `version`: as the banner has it. `distribution` as in Technology, "" where none is
    named. `package`: `deb/debian:11/openssh`, and `package_version` as the distribution writes it; both "" where the
    banner does not tell them."""

    product: str
    version: str
    distribution: str = ""
    package: str = ""
    package_version: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a product's banner looks. The pattern has the groups `version` and, where it can tell one, `revision`. `source`:
    distribution and release to the name of the source package. `epoch` comes before the package's version."""

    product: str
    pattern: re.Pattern[str]
    source: Callable[[str, str, str], str]
    epoch: str = ""


def _named(name: str) -> Callable[[str, str, str], str]:
    return lambda _system, _release, _version: name


def _branch(name: str, parts: int, plain: Mapping[str, str] = {}) -> Callable[[str, str, str], str]:
    """`php7.4`: the name and the first numbers of the version; `plain`: `debian:12` to what it is called there instead."""

    def source(system: str, release: str, version: str) -> str:
        return plain.get(f"{system}:{release}", name + ".".join(version.split(".")[:parts]))

    return source


def _form(product: str, pattern: str, source: Callable[[str, str, str], str], epoch: str = "") -> _Form:
    return _Form(product, re.compile(pattern, re.IGNORECASE), source, epoch)


_V = r"(?P<version>\d+(?:\.\d+)+)"
_MARIADB = {"debian:12": "mariadb", "debian:13": "mariadb", "ubuntu:23.10": "mariadb", "ubuntu:24.04": "mariadb"}
_FORMS = (
    _form(
        "openssh",
        r"(?:^|SSH-\d\.\d+-)OpenSSH_(?P<version>\d+\.\d+(?:\.\d+)?(?:p\d+)?)(?: (?:Debian|Ubuntu)-"
        + _REVISION
        + r")?",
        _named("openssh"),
        "1:",
    ),
    _form(
        "php",
        rf"\bPHP/{_V}(?:-{_REVISION})?",
        _branch("php", 2, {"debian:7": "php5", "debian:8": "php5", "ubuntu:12.04": "php5", "ubuntu:14.04": "php5"}),
    ),
    _form("bind", rf"^{_V}(?:-P\d+)?-{_REVISION}-(?:Debian|Ubuntu)$", _named("bind9"), "1:"),
    _form(
        "mariadb",
        rf"(?:^|\bMariaDB |\b5\.5\.5-){_V}-MariaDB(?:-{_REVISION})?",
        _branch("mariadb-", 2, _MARIADB),
        "1:",
    ),
    _form(
        "mysql",
        rf"(?:^|\bMySQL ){_V}-(?P<revision>0[a-z0-9.+~]*ubuntu[a-z0-9.+~]+|0\+deb\d+u\d+)",
        _branch("mysql-", 2),
    ),
    _form(
        "postgresql",
        rf"\bPostgreSQL {_V}(?: \((?:Debian|Ubuntu) [0-9.]+-{_REVISION}\))?",
        _branch("postgresql-", 1),
    ),
    _form("sendmail", rf"\bSendmail {_V}(?:/[0-9.]+/Debian-{_REVISION})?", _named("sendmail")),
)


def distribution_of(text: str) -> str:
    """The Linux distribution (or FreeBSD) that packaged what this banner names, or ""."""
    data = text.encode("latin-1", "replace")
    for index in _DISTRIBUTION_SET.matching(data):
        found = _DISTRIBUTION_SET.search(index, data)
        if found is not None:
            return _DISTRIBUTIONS[index][1].format(found.groups.get("version", "")).strip()
    return ""


def read_banner(text: str) -> Packaged | None:
    """What a service says it is; None for a banner of none of the known forms."""
    text = text[:MAX_BANNER].strip()
    for form in _FORMS:
        found = form.pattern.search(text)
        if found is not None:
            return _read(form, found, text)
    return None


def packaged(product: str, version: str, text: str) -> Packaged:
    """The same for a product whose version was read already: distribution and package, where the text tells them of
    exactly that version."""
    read = read_banner(text)
    if read is not None and (read.product, read.version) == (product, version):
        return read
    return Packaged(product, version, distribution_of(text[:MAX_BANNER]))


def _read(form: _Form, found: re.Match[str], text: str) -> Packaged:
    version, revision = found["version"], found.groupdict().get("revision") or ""
    distribution = distribution_of(text)
    if not revision or _FOREIGN.search(revision):
        return Packaged(form.product, version, distribution)
    shipped = _SHIPPED_AS.get(version, version)
    ubuntu = _UBUNTU.search(revision) is not None or "ubuntu" in found[0].lower()
    system = "ubuntu" if ubuntu else "debian"
    release = _release(form.product, shipped, revision, ubuntu=ubuntu)
    if not release:
        return Packaged(form.product, version, distribution)
    name = form.source(system, release, shipped)
    told = f"{release}:lts" if ubuntu and _is_long(release) else release
    return Packaged(
        form.product,
        version,
        f"{system.title()} {release}",
        f"deb/{system}:{told}/{name}",
        f"{form.epoch}{shipped}-{revision}",
    )


def _release(product: str, version: str, revision: str, *, ubuntu: bool) -> str:
    tag = (_UBUNTU_TAG if ubuntu else _DEBIAN_TAG).search(revision)
    return tag[1] if tag else (_UBUNTU_OF if ubuntu else _DEBIAN_OF).get(product, {}).get(version, "")


def _is_long(release: str) -> bool:
    """Ubuntu's releases of April of even years."""
    year, _, month = release.partition(".")
    return month == "04" and int(year) % 2 == 0
