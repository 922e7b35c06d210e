"""Masking takes out what could be used, in time linear in the text."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secrecon.detect.masking import MASKS, mask_body

SECONDS = 60
"""Generous: one megabyte of each text takes a second; with a quadratic pattern one alone takes minutes."""


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"GET / from 10.1.2.3 by ann@acme.test", b"GET / from 10.*** by ***"),
        (b"1.2.3.4@acme.test", b"***"),
        (b"ann@10.1.2.3 -1.2.3.4-", b"*** -1.***-"),
        (b"/x?token=abc 1.2.3", b"/x?*** 1.2.3"),
    ],
)
def test_addresses_of_people_and_machines_go(body: bytes, shown: bytes) -> None:
    assert mask_body(body, "addresses") == shown


@pytest.mark.parametrize("kind", sorted(MASKS))
def test_every_mask_is_linear_in_texts_made_to_hurt(kind: str) -> None:
    texts = [
        "-1.2.3.4",
        "a@b.c-",
        "=''=\"\"",
        "=\"='",
        "://a:b@",
        "://a@",
        "<tr> <td>",
        "-----BEGIN A-----",
        'define("A',
    ]
    code = (
        "from secrecon.detect.masking import mask_body\n"
        f"for text in {texts!r}:\n"
        f"    mask_body((text * 1_000_000)[:1_000_000].encode(), {kind!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)
