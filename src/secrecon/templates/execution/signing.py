"""Requests signed for AWS (Signature Version 4), with the user's own key. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Signed are the method, path,
query, host, date and a digest of the body.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from secrecon.templates.dsl.values import inward, text_of
from secrecon.templates.errors import DslError
from secrecon.templates.execution.building import Built, assemble

DEFAULTS: Mapping[str, bytes] = {"region": b"us-east-2", "service": b"sts"}
WANTED = ("aws-id", "aws-secret")


@dataclass(frozen=True, slots=True)
class Signer:
    """`token`: of a temporary key, "" for none."""

    id: str
    secret: str
    region: str
    service: str
    token: str = ""


def signer_from(known: Mapping[str, object]) -> Signer:
    """The user's key and what it signs for, from the variables of a request. Raises DslError where there is no key."""
    missing = [name for name in WANTED if name not in known]
    if missing:
        raise DslError(f"it is signed for AWS and needs {' and '.join(missing)}: give them with -V")
    values = {**DEFAULTS, "aws-session-token": b"", **known}
    names = (*WANTED, "region", "service", "aws-session-token")
    return Signer(*(text_of(inward(values[name])).decode("utf-8", "replace") for name in names))


def signed(built: Built, signer: Signer, now: float) -> Built:
    """`built` with the headers of its signature. `now`: epoch seconds."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    digest = hashlib.sha256(built.body).hexdigest()
    own = {"x-amz-date": stamp, "x-amz-content-sha256": digest} if signer.service == "s3" else {"x-amz-date": stamp}
    if signer.token:
        own["x-amz-security-token"] = signer.token
    said = {name.lower(): value for name, value in built.headers}
    signing = {"host": said.get("host") or built.origin.authority, **own}
    if "content-type" in said:
        signing["content-type"] = said["content-type"]
    names = ";".join(sorted(signing))
    lines = [f"{name}:{' '.join(signing[name].split())}\n" for name in sorted(signing)]
    path, _, query = built.target.partition("?")
    asked = "\n".join([built.method, _path(path, signer.service), _query(query), "".join(lines), names, digest])
    scope = f"{day}/{signer.region}/{signer.service}/aws4_request"
    sealed = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(asked.encode('latin-1', 'replace')).hexdigest()}"
    key = b"AWS4" + signer.secret.encode()
    for part in (day, signer.region, signer.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.digest(key, sealed.encode(), "sha256").hex()
    told = f"AWS4-HMAC-SHA256 Credential={signer.id}/{scope}, SignedHeaders={names}, Signature={proof}"
    shown = {"x-amz-date": "X-Amz-Date", "x-amz-content-sha256": "X-Amz-Content-Sha256"}
    more = [(shown.get(name, "X-Amz-Security-Token"), value) for name, value in own.items()]
    kept = [pair for pair in built.headers if pair[0].lower() not in (*own, "authorization")]
    return assemble(
        built.origin, built.connect, built.method, built.target, (*kept, *more, ("Authorization", told)), built.body
    )


def _path(path: str, service: str) -> str:
    """Each service but S3 wants the path escaped once more."""
    return path if service == "s3" else quote(path or "/", safe="/-_.~")


def _query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(sorted(f"{_again(name)}={_again(value)}" for name, _, value in pairs))


def _again(written: str) -> str:
    return quote(unquote(written, "latin-1"), safe="-_.~", encoding="latin-1")
