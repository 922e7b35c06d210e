"""Requests signed for AWS: the documentation's own example, and what is missing or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from secrecon.model.target import Origin
from secrecon.templates.errors import DslError
from secrecon.templates.execution.building import Built, assemble
from secrecon.templates.execution.signing import Signer, signed, signer_from

KEY = {"aws-id": b"AKIDEXAMPLE", "aws-secret": b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
MOMENT = 1_440_938_160.0  # 2015-08-30 12:36:00 UTC


def asked(target: str, body: bytes = b"") -> Built:
    origin = Origin("https", "iam.amazonaws.com", 443)
    headers = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
    return assemble(origin, origin, "POST" if body else "GET", target, headers, body)


def proof(built: Built) -> str:
    return dict(built.headers)["Authorization"]


def test_the_documented_example() -> None:
    signer = signer_from({**KEY, "region": b"us-east-1", "service": b"iam"})
    made = signed(asked("/?Action=ListUsers&Version=2010-05-08"), signer, MOMENT)
    assert proof(made) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    assert b"\r\nX-Amz-Date: 20150830T123600Z\r\n" in made.wire


def test_everything_that_counts_changes_the_signature() -> None:
    signer = Signer("id", "secret", "us-east-2", "sts")
    made = {
        proof(signed(built, each, when))
        for built, each, when in (
            (asked("/a"), signer, MOMENT),
            (asked("/b"), signer, MOMENT),
            (asked("/a?x=1"), signer, MOMENT),
            (asked("/a", b"x"), signer, MOMENT),
            (asked("/a"), replace(signer, secret="other"), MOMENT),
            (asked("/a"), replace(signer, region="eu-west-1"), MOMENT),
            (asked("/a"), replace(signer, token="t"), MOMENT),
            (asked("/a"), replace(signer, service="s3"), MOMENT),
            (asked("/a"), signer, MOMENT + 1),
        )
    }
    assert len(made) == 9
    one, other = asked("/?b=1&a=%20"), asked("/?a=%20&b=1")
    assert proof(signed(one, signer, MOMENT)) == proof(signed(other, signer, MOMENT))


@pytest.mark.parametrize("known", [{}, {"aws-id": b"x"}, {"aws-secret": b"x"}])
def test_without_a_key_nothing_is_sent(known: Mapping[str, object]) -> None:
    with pytest.raises(DslError, match="give them with -V"):
        signer_from(known)
