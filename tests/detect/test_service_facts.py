"""Facts and findings of an inquiry: what a hostile service says is cut and inert, what it said it runs is kept."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.detect.service_facts import banner_of, findings_of, replay, service_of, technology_of
from secrecon.detect.service_inquiry import Told
from secrecon.detect.service_rules import ServiceRules
from secrecon.model.finding import EvidenceLevel

RULES = ServiceRules.load()
GREETING = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
SSH = Told("ssh", product="openssh", version="9.2p1", cpe="cpe:2.3:a:openbsd:openssh", sure=0.95, heard=GREETING)
REDIS = Told(
    "redis", False, "redis", "7.2.4", "", 0.95, "", b"INFO\r\n", b"redis_version:7.2.4\r\n", ("redis-open",)
)


def test_a_service_tells_product_version_and_package() -> None:
    service = service_of(SSH, "shop.acme.test", "127.0.0.9", 2222, None)
    assert (service.asset, service.protocol, service.product) == ("shop.acme.test:2222", "ssh", "openssh")
    technology = technology_of(SSH, service.asset)
    assert technology is not None
    assert (technology.version, technology.distribution) == ("9.2p1", "Debian 12")
    assert (technology.package, technology.package_version) == ("deb/debian:12/openssh", "1:9.2p1-2+deb12u3")


def test_a_binary_greeting_gives_its_readable_part_to_the_package() -> None:
    heard = b"Z\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\x00\x08\x00\x00\x00abc"
    told = Told("mysql", product="mariadb", version="10.11.6", heard=heard)
    technology = technology_of(told, "db:3306")
    assert technology is not None
    assert technology.distribution == "Debian 12"


def test_the_version_in_a_name_server_s_answer_gives_its_package() -> None:
    heard = b"\x00QSC\x84\x00\x00\x01\x00\x01\x00\x01\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03\xc0\x0c"
    heard += b"\x00\x10\x00\x03\x00\x00\x00\x00\x00\x19\x189.18.49-1~deb12u3-Debian\xc0"
    technology = technology_of(Told("dns", product="bind", version="9.18.49", said=b"\0", heard=heard), "ns:53")
    assert technology is not None
    assert (technology.distribution, technology.package) == ("Debian 12", "deb/debian:12/bind9")


def test_without_a_product_there_is_no_technology() -> None:
    assert technology_of(Told("unknown", heard=b"x"), "a:1") is None


def test_a_finding_shows_the_words_exchanged() -> None:
    service = service_of(REDIS, "shop.acme.test", "127.0.0.9", 6379, None)
    (finding,) = findings_of(REDIS, [RULES.exposed["redis-open"]], service)
    assert (finding.check, finding.asset, finding.location) == (
        "service.redis-open",
        "shop.acme.test:6379",
        "redis",
    )
    assert finding.evidence_level is EvidenceLevel.BEHAVIOUR
    assert "shop.acme.test:6379" in finding.description
    assert finding.evidence[0].request == "INFO\n"
    assert "redis_version" in finding.evidence[0].response
    assert finding.evidence[0].curl == "printf 'INFO\\015\\012' | nc -w 3 shop.acme.test 6379"


def test_a_banner_is_one_line_of_what_can_be_read() -> None:
    assert banner_of(b"$19\r\n# Server\r\nredis_version:6.0.16\r\n") == "$19 # Server redis_version:6.0.16"
    assert banner_of(b"c\0\0\0\x0a8.0.36\0\x08\0\0\0" + b"\0" * 20 + b"mysql_native") == "8.0.36 … mysql_native"
    assert banner_of(b"\x00\xff" * 40) == ""
    assert banner_of("220 Grüße\r\n".encode()) == "220 Gr\\xc3\\xbc\\xc3\\x9fe"


def test_a_hostile_banner_is_short_and_printable() -> None:
    for heard in (b"\x1b]0;owned\x07\x00" * 1_000_000, b"<script>alert(1)</script>" * 1000, b"\n\n\nlate"):
        banner = banner_of(heard)
        assert len(banner) <= 200
        assert banner.isascii() or "…" in banner
        assert banner.isprintable()


@given(st.binary(min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_replay_prints_exactly_what_was_said(said: bytes) -> None:
    command = replay(said, "h", 1).removesuffix(" | nc -w 3 h 1")
    assert subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout == said
