"""What answers mean, by our own patterns: samples written after each protocol's specification or a server's usual words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.detect.service_rules import GREETING, ServiceRules, choose_ports
from secrecon.model.errors import BadInput, OperatorError

RULES = ServiceRules.load()
MONGO = b"\x02version\x00\x06\x00\x00\x007.0.5\x00\x02gitVersion\x00"
AMQP = (
    b"\x01\x00\x00\x00\x00\x01\xf0\x00\x0a\x00\x0a\x00\x09\x00\x00\x01\xcb\x07productS\x00\x00\x00\x08RabbitMQ"
    b"\x07versionS\x00\x00\x00\x063.12.1"
)
WIRE = (
    b"\x00\x00\x01<\x01ActiveMQ\x00\x00\x00\x0c\x01\x00\x00\x01*\x0cProviderName\x09\x00\x08ActiveMQ"
    b"\x0fProviderVersion\x09\x00\x075.15.15"
)
BIND = (
    b"\x00\x3fSC\x85\x00\x00\x01\x00\x01\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03\x07version\x04bind\x00"
    b"\x00\x10\x00\x03\x00\x00\x00\x00\x00\x11\x109.18.24-1-Debian"
)
REFUSED_PG = b"E\x00\x00\x00\x90SFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol 99.0: server supports 3.0 to 3.0\x00"
SEARCH = b'HTTP/1.0 200 OK\r\n\r\n{"name":"a","version":{"number":"8.11.1"},"tagline":"You Know, for Search"}'

SAMPLES = [
    (GREETING, b"SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3\r\n", "ssh", "openssh", "8.4p1", ""),
    (GREETING, b"SSH-2.0-OpenSSH_for_Windows_8.1\r\n", "ssh", "", "", ""),
    (GREETING, b"SSH-2.0-dropbear_2022.83\r\n", "ssh", "dropbear", "2022.83", ""),
    (GREETING, b"SSH-1.99-Cisco-1.25\n", "ssh", "cisco-ssh", "", ""),
    (GREETING, b"\xff\xfd\x18\xff\xfd \xff\xfd#", "telnet", "", "", "telnet"),
    (GREETING, b"220 mx.acme.test ESMTP Postfix (Debian/GNU)\r\n", "smtp", "postfix", "", ""),
    (GREETING, b"220 mx.acme.test ESMTP Exim 4.94.2 Fri, 01 Jan 2026\r\n", "smtp", "exim", "4.94.2", ""),
    (GREETING, b"220 mx ESMTP Sendmail 8.15.2/8.15.2/Debian-22; Mon\r\n", "smtp", "sendmail", "8.15.2", ""),
    (GREETING, b"554 5.7.1 no ESMTP for you\r\n", "smtp", "", "", ""),
    (GREETING, b"* OK [CAPABILITY IMAP4rev1] Dovecot (Ubuntu) ready.\r\n", "imap", "dovecot", "", ""),
    (GREETING, b"+OK Dovecot ready.\r\n", "pop3", "dovecot", "", ""),
    (GREETING, b"220 (vsFTPd 3.0.3)\r\n", "ftp", "vsftpd", "3.0.3", ""),
    (GREETING, b"500 OOPS: vsftpd: both local and anonymous access disabled!\r\n", "ftp", "vsftpd", "", ""),
    (GREETING, b"220 ProFTPD 1.3.5e Server (Debian) [127.0.0.1]\r\n", "ftp", "proftpd", "1.3.5e", ""),
    (GREETING, b"220 ProFTPD Server ready.\r\n", "ftp", "proftpd", "", ""),
    (GREETING, b"@RSYNCD: 31.0\n", "rsync", "rsync", "", ""),
    (GREETING, b"J\x00\x00\x00\x0a8.0.36-0ubuntu0.22.04.1\x00\x08", "mysql", "mysql", "8.0.36", "database"),
    (GREETING, b"Z\x00\x00\x00\x0a5.5.5-10.6.12-MariaDB-1\x00", "mysql", "mariadb", "10.6.12", "database"),
    (GREETING, b"Z\x00\x00\x00\x0a11.4.2-MariaDB-ubu2404\x00", "mysql", "mariadb", "11.4.2", "database"),
    (GREETING, b"E\x00\x00\x00\xffj\x04Host '10.0.0.1' is not allowed to connect", "mysql", "mysql", "", ""),
    (GREETING, WIRE, "openwire", "activemq", "5.15.15", ""),
    (GREETING, b'INFO {"server_id":"N","version":"2.9.21"} \r\n', "nats", "nats", "2.9.21", ""),
    (GREETING, b"RFB 003.008\n", "vnc", "", "", ""),
    ("redis", b"$90\r\n# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n", "redis", "redis", "7.2.4", "redis-open"),
    ("redis", b"-NOAUTH Authentication required.\r\n", "redis", "redis", "", "database"),
    ("redis", b"-DENIED Redis is running in protected mode\r\n", "redis", "redis", "", "database"),
    ("memcached", b"VERSION 1.6.9\r\n", "memcached", "memcached", "1.6.9", "memcached-open"),
    ("memcached", b"CLIENT_ERROR unauthenticated\r\n", "memcached", "memcached", "", "database"),
    ("mongodb", MONGO, "mongodb", "mongodb", "7.0.5", "database"),
    ("postgresql", REFUSED_PG, "postgresql", "postgresql", "", "database"),
    ("mssql", b"\x04\x01\x00\x25\x00\x00\x01\x00\x00\x00\x15\x00\x06", "mssql", "sql-server", "", "database"),
    ("ldap", b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "ldap", "", "", ""),
    ("amqp", AMQP, "amqp", "rabbitmq", "3.12.1", ""),
    ("mqtt", b"\x20\x02\x00\x00", "mqtt", "", "", "mqtt-open"),
    ("mqtt", b"\x20\x02\x00\x05", "mqtt", "", "", ""),
    ("rdp", bytes.fromhex("0300001 30ed000001234000209080000000000".replace(" ", "")), "rdp", "", "", "remote-desktop"),
    ("vnc", b"RFB 003.008\n\x02\x02\x01", "vnc", "", "", "vnc-open"),
    ("vnc", b"RFB 003.008\n\x01\x02", "vnc", "", "", "remote-desktop"),
    ("x11", b"\x00\x16\x0b\x00\x00\x00\x06\x00No protocol specified\n", "x11", "", "", ""),
    ("x11", b"\x01\x00\x0b\x00\x00\x00\xf4\x0e", "x11", "", "", "x11-open"),
    ("jdwp", b"JDWP-Handshake", "jdwp", "", "", "jdwp-open"),
    ("ajp", b"AB\x00\x01\x09", "ajp", "", "", "ajp"),
    ("socks", b"\x05\x00", "socks5", "", "", "socks-open"),
    ("socks", b"\x05\xff", "socks5", "", "", ""),
    ("docker", b'HTTP/1.0 200 OK\r\n\r\n{"Version":"24.0.5","ApiVersion":"1.43"}', "http", "docker", "24.0.5", "docker-open"),
    ("dns", BIND, "dns", "bind", "9.18.24", ""),
    ("zookeeper", b"Zookeeper version: 3.4.13-2d71af4, built on 2018\n", "zookeeper", "zookeeper", "3.4.13", ""),
    ("clamav", b"ClamAV 0.103.8/26837/Sat\n", "clamav", "clamav", "0.103.8", ""),
    ("http", b"UNKNOWN_COMMAND\r\nUNKNOWN_COMMAND\r\n", "beanstalkd", "beanstalkd", "", ""),
    ("http", SEARCH, "http", "elasticsearch", "8.11.1", "elasticsearch-open"),
    ("http", b"HTTP/1.1 401 Unauthorized\r\n\r\n", "http", "", "", ""),
    ("rtsp", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n", "rtsp", "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("probe", "data", "protocol", "product", "version", "exposes"), SAMPLES)
def test_an_answer_means(probe: str, data: bytes, protocol: str, product: str, version: str, exposes: str) -> None:
    found = RULES.meaning(probe, data)
    assert found is not None
    assert (found.protocol, found.product, found.version, found.exposes) == (protocol, product, version, exposes)


@pytest.mark.parametrize(
    "data",
    [
        b"I say SSH-2.0-OpenSSH_8.4p1 but later",
        b"HTTP/1.1 200 OK\r\n\r\nredis_version:7.2.4",
        b"220 welcome\r\n",
        b"VERSION control is good\r\n",
        b"\x00" * 40,
        b"SSH-OpenSSH_8.4",
    ],
)
def test_words_in_the_wrong_place_mean_nothing_of_that_kind(data: bytes) -> None:
    for probe in (GREETING, "redis", "memcached", "mongodb"):
        assert RULES.meaning(probe, data) is None


def test_every_finding_that_is_described_has_a_sample_that_shows_it() -> None:
    assert {exposes for *_, exposes in SAMPLES if exposes} == set(RULES.exposed)


@given(st.binary(max_size=300), st.sampled_from([GREETING, *RULES.probes]))
@settings(max_examples=150)
def test_any_bytes_are_read_without_a_crash(data: bytes, probe: str) -> None:
    found = RULES.meaning(probe, data)
    assert found is None or found.protocol


def test_ports_are_chosen_in_the_order_of_the_list() -> None:
    assert RULES.chosen("top:3") == (80, 443, 22)
    assert len(RULES.chosen("all")) == len({port for port, _ in RULES.ports}) > 500
    assert RULES.chosen("none") == ()
    assert RULES.chosen("22, 80 8000-8002,22") == (22, 80, 8000, 8001, 8002)
    assert not RULES.muted & set(RULES.chosen("all")), "printers and controllers are not asked by default"


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "90-80", "top:", "top:x", "-5", "1-", "22,,x", "１"])
def test_bad_ports_are_refused_in_words(text: str) -> None:
    with pytest.raises(BadInput, match="ports"):
        choose_ports(text, [80])


@pytest.mark.parametrize(
    ("ports", "probes", "exposed", "words"),
    [
        ("80", "", "", "ports.txt: line 1"),
        ("80 http\n80 http", "", "", "ports.txt: line 2"),
        ("80 http", "probes: [", "", "probes.yaml"),
        ("80 http", "muted: []\nprobes: [{id: a}]\nmatches: []", "", "text or hex"),
        ("80 http", "muted: []\nprobes: []\nmatches: []", "exposed: [{}]", "exposed.yaml"),
        (
            "80 http",
            "muted: []\nprobes: []\nmatches: [{from: [greeting], protocol: a, pattern: '(?=a)'}]",
            "exposed: []",
            "not RE2",
        ),
        (
            "80 http",
            "muted: []\nprobes: []\nmatches: [{from: [greeting], protocol: a, pattern: a, then: gone}]",
            "exposed: []",
            "unknown gone",
        ),
    ],
)
def test_a_broken_rule_file_stops_the_start(ports: str, probes: str, exposed: str, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        ServiceRules(ports, probes, exposed)
