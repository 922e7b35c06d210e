"""Reading nmap's probe file: a made-up one in its format here, and the real one where nmap is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.detect.nmap_probes import MAX_LINE, NmapPatterns, unescaped

REAL = Path("/usr/share/nmap/nmap-service-probes")
MADE = r"""
# a comment
Exclude T:9100
Probe TCP NULL q||
totalwaitms 6000
match toy m|^TOY/([\d.]+) \(([^)]+)\)\r\n| p/Toy $2 server/ v/$1/ i/for $2/ cpe:/a:toys:toy:$1/a
match toy m=^toy2 (\d+)_(\d+)=si p/Toy Two/ v/$SUBST(1,"_",".").$2/
match back m|^(a)\1| p/Back/
match look m|^(?=b)b| p/Look/
softmatch soft m|^TOY|
match secret m|^bin\x00\xff| p/Binary/
Probe TCP Ours q|PING\r\n\x00|
match toy m|^PONG ([\w.]+)| p/Ping Toy/ v/$1/
Probe TCP Theirs q|DELETE ALL\r\n|
match bad m|^DELETED| p/Never/
Probe UDP Other q|x|
match bad m|^u| p/Never/
"""


def test_patterns_of_greetings_and_of_our_own_questions_are_used() -> None:
    patterns = NmapPatterns(MADE, [b"PING\r\n\x00"])
    assert (patterns.read, patterns.unusable, patterns.unasked) == (5, 2, 2)
    toy = patterns.meaning(b"", b"TOY/1.5 (big)\r\n")
    assert toy is not None
    assert (toy.protocol, toy.product, toy.version, toy.cpe) == (
        "toy",
        "toy-big-server",
        "1.5",
        "cpe:2.3:a:toys:toy",
    )
    two = patterns.meaning(b"", b"TOY2 1_4 x")
    assert two is not None
    assert (two.product, two.version) == ("toy-two", "1.4"), "case-insensitive, and before the soft one"
    soft = patterns.meaning(b"", b"TOY from elsewhere")
    assert soft is not None
    assert (soft.protocol, soft.product) == ("soft", "")
    assert patterns.meaning(b"", b"bin\x00\xff") is not None
    pong = patterns.meaning(b"PING\r\n\x00", b"PONG 3")
    assert pong is not None
    assert pong.version == "3"
    assert patterns.meaning(b"", b"PONG 3") is None, "an answer to another question"
    assert patterns.meaning(b"DELETE ALL\r\n", b"DELETED") is None


def test_versions_that_are_none_are_dropped() -> None:
    patterns = NmapPatterns("Probe TCP NULL q||\nmatch a m|^V (.*)$| p/A$1/ v/$1/\n", [])
    hostile = patterns.meaning(b"", b"V <script>alert(1)</script>")
    assert hostile is not None
    assert (hostile.product, hostile.version) == ("a-script-alert-1-script", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "match a m|b| p/c/",
        "Probe TCP NULL q||\nmatch\nmatch a\nmatch a m\nmatch a m|x\nmatch a m|(|\nProbe TCP",
        "Probe TCP NULL q||\nmatch a m|" + "x" * MAX_LINE + "|",
        "Probe TCP NULL q||\nmatch a m|" + "(a{1000}){1000}" * 5 + "|",
        "\x00\xff" * 1000,
    ],
)
def test_a_broken_file_brings_nothing_and_no_crash(text: str) -> None:
    patterns = NmapPatterns(text, [])
    assert patterns.read == 0
    assert patterns.meaning(b"", b"xxxx") is None


def test_escapes_of_questions() -> None:
    assert unescaped(r"a\r\n\t\0\x41\\z") == b"a\r\n\t\x00A\\z"


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_is_read(text: str) -> None:
    NmapPatterns(f"Probe TCP NULL q||\nmatch {text}\nmatch a m|{text}| p/{text}/", []).meaning(b"", text.encode())


@pytest.mark.skipif(
    not REAL.exists() and "CI" not in os.environ, reason="nmap is not installed: its own file cannot be read"
)
def test_the_file_of_an_installed_nmap_is_read_nearly_whole() -> None:
    patterns = NmapPatterns(REAL.read_text("latin-1"), [b"GET / HTTP/1.0\r\n\r\n"])
    assert patterns.read > 5_000
    assert patterns.unusable < 0.15 * patterns.read
    found = patterns.meaning(b"", b"220 ProFTPD 1.3.5 Server (Debian) [::ffff:127.0.0.1]\r\n")
    assert found is not None
    assert (found.protocol, found.version) == ("ftp", "1.3.5")
