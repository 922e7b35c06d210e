"""Bodies that the posting hosts must survive: too long, not JSON, not a form, without the field."""

from __future__ import annotations

import httpx
import pytest

from secrecon.lab.process import LabProcess


def _post(lab: LabProcess, host: str, path: str, body: bytes) -> httpx.Response:
    return httpx.post(f"{lab.description.address_origin(host)}{path}", content=body, trust_env=False, timeout=5)


@pytest.mark.parametrize("host", ["api", "api-safe"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"source": []}', b'{"source": {"url": 7}}', b'"' + b"x" * 70_000 + b'"']
)
def test_a_body_that_is_no_import_is_refused(lab: LabProcess, host: str, body: bytes) -> None:
    assert _post(lab, host, "/api/import", body).status_code == 400


@pytest.mark.parametrize("host", ["avatar", "avatar-safe"])
@pytest.mark.parametrize("body", [b"", b"name=x", b"\xff=\xfe", b"a=1&" * 30, b"image_url=" + b"x" * 70_000])
def test_a_body_that_is_no_form_is_refused(lab: LabProcess, host: str, body: bytes) -> None:
    assert _post(lab, host, "/avatar", body).status_code == 400


def test_the_example_of_the_description_works(lab: LabProcess) -> None:
    api = str(lab.description.address_origin("api"))
    document = httpx.get(f"{api}/openapi.json", trust_env=False).json()
    content = document["paths"]["/api/import"]["post"]["requestBody"]["content"]["application/json"]
    reply = httpx.post(f"{api}/api/import", json=content["example"], trust_env=False)
    assert reply.json() == {"imported": 39, "status": 200}
