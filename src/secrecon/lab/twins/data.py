"""Databases, search, and what works on data: notebooks, workflows and models. Unprotected they are somebody else's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, plain, shown


def compact(document: object, status: int = 200, kind: str = "application/json") -> Told:
    """JSON without blanks, as many products write it."""
    return plain(json.dumps(document, separators=(",", ":")), status, kind)


def metabase_maps(asked: Asked, fixed: bool) -> Told:
    """0.40.4 fetches a map from any address; 0.40.5 from the web only."""
    if asked.path != "/api/geojson":
        return shown("Metabase", "<div id='root'></div>") if asked.path == "/" else absent()
    if not fixed and re.fullmatch(r"file:/{1,3}etc/passwd", asked.values.get("url", "")):
        return plain(PASSWD, kind="application/json")
    return compact("Invalid GeoJSON file location: must either start with http:// or https://", 400)


def metabase_token(asked: Asked, fixed: bool) -> Told:
    """0.46.6 tells the token of its set-up for ever; 0.46.6.1 until the set-up is done."""
    if asked.path != "/api/session/properties":
        return shown("Metabase", "<div id='root'></div>") if asked.path == "/" else absent()
    token = None if fixed else "d3b07384-d113-4ec2-a75d-0e3b6f1f6b0a"
    tag = "v0.46.6.1" if fixed else "v0.46.6"
    return compact({"engines": {}, "has-user-setup": True, "setup-token": token, "version": {"tag": tag}})


def superset(asked: Asked, fixed: bool) -> Told:
    """2.0.1 with the key of its documentation, and with one that somebody chose."""
    if asked.path not in ("/", "/login/"):
        return absent()
    key = b"CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET" if not fixed else b"a key that nobody else has"
    derived = hmac.digest(key, b"cookie-session", "sha1")
    said = base64.urlsafe_b64encode(b'{"csrf_token":"8f14e45fceea167a5a36dedd4bea2543"}').rstrip(b"=") + b".ZJ2fQA"
    sign = base64.urlsafe_b64encode(hmac.digest(derived, said, hashlib.sha1)).rstrip(b"=")
    cookie = f"session={(said + b'.' + sign).decode()}; HttpOnly; Path=/; SameSite=Lax"
    return shown("Superset", '<div id="app"></div>', Set_Cookie=cookie)


def langflow_code(asked: Asked, fixed: bool) -> Told:
    """1.2.0 defines the functions that it checks; 1.3.0 wants a login first."""
    if asked.path != "/api/v1/validate/code":
        return shown("Langflow", "<div id='root'></div>") if asked.path == "/" else absent()
    if fixed:
        return compact({"detail": "An API key must be passed as query or header"}, 403)
    code = asked.document.get("code") if isinstance(asked.document, dict) else None
    if not isinstance(code, str):
        return compact({"detail": [{"type": "missing", "loc": ["body", "code"]}]}, 422)
    raised = re.search(r"\.throw\(ValueError\((\d+) \* (\d+)\)\)", code)
    errors = [str(int(raised[1]) * int(raised[2]))] if raised else []
    return compact({"imports": {"errors": []}, "function": {"errors": errors}})


def langflow_origins(asked: Asked, fixed: bool) -> Told:
    """1.6.9 and 1.7.0 look alike to a browser that asks first; the version tells them apart."""
    if asked.path == "/api/v1/version":
        version = "1.7.0" if fixed else "1.6.9"
        return compact({"version": version, "main_version": version, "package": "Langflow"})
    if asked.path != "/api/v1/refresh" or asked.method != "OPTIONS":
        return shown("Langflow", "<div id='root'></div>") if asked.path == "/" else absent()
    allowed = {
        "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        "access-control-allow-origin": asked.header("origin"),
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }
    return Told("OK", kind="text/plain", headers=allowed)


def _searched(asked: Asked, language: str, refusal: str, value: Mapping[str, str] | None) -> Told:
    """A search whose script gave `value`, or was refused."""
    if asked.path != "/_search":
        return compact({"status": 200, "tagline": "You Know, for Search"}) if asked.path == "/" else absent()
    if f'"lang": "{language}"' not in asked.text:
        return compact({"error": "SearchParseException[no script]", "status": 400}, 400)
    if value is None:
        return compact({"error": f"SearchPhaseExecutionException[{refusal}]", "status": 400}, 400)
    hit = {
        "_index": "shop",
        "_type": "item",
        "_id": "1",
        "_score": 1.0,
        "fields": {k: [v] for k, v in value.items()},
    }
    shards = {"total": 5, "successful": 5, "failed": 0}
    hits = {"total": 3, "max_score": 1.0, "hits": [hit]}
    return compact({"took": 3, "timed_out": False, "_shards": shards, "hits": hits})


def elasticsearch_mvel(asked: Asked, fixed: bool) -> Told:
    """1.1.1, and 1.2.0 with scripts from requests switched off."""
    found = re.search(
        r'"(\w+)": \{"lang": "mvel", "script": "new java\.math\.BigInteger\(\\"(\d+)\\"\)\.multiply\('
        r'new java\.math\.BigInteger\(\\"(\d+)\\"\)\)\.toString\(\)"',
        asked.text,
    )
    value = {found[1]: str(int(found[2]) * int(found[3]))} if found and not fixed else None
    return _searched(asked, "mvel", "ScriptException[dynamic scripting disabled]", value)


def elasticsearch_groovy(asked: Asked, fixed: bool) -> Told:
    """1.4.2, and 1.4.3 with scripts from requests switched off."""
    found = re.search(
        r'"(\w+)": \{"lang": "groovy", "script": "java\.lang\.Math\.class\.forName\(\\"java\.util\.BitSet\\"\)'
        r'\.getSimpleName\(\) \+ \((\d+) \* (\d+)\)"',
        asked.text,
    )
    value = {found[1]: f"BitSet{int(found[2]) * int(found[3])}"} if found and not fixed else None
    return _searched(asked, "groovy", "ScriptException[scripts of type [inline] are disabled]", value)


def airflow(asked: Asked, fixed: bool) -> Told:
    """1.10.10 as shipped, and 1.10.11, which denies all."""
    if not asked.path.startswith("/api/experimental/"):
        return shown("Airflow - DAGs", "<p>DAGs</p>") if asked.path == "/" else absent()
    if fixed:
        return plain("Forbidden", 403, "text/html; charset=utf-8")
    if asked.path == "/api/experimental/test":
        return plain('{"status":"OK"}\n', kind="application/json")
    found = re.fullmatch(r"/api/experimental/dags/(\w+)/dag_runs", asked.path)
    return compact({"error": f"Dag id {found[1]} not found in DagModel"}, 400) if found else absent()


def druid(asked: Asked, fixed: bool) -> Told:
    """0.21 opens what an http source names; 0.22 the web only."""
    if asked.path != "/druid/indexer/v1/sampler":
        return shown("Apache Druid", "<div></div>") if asked.path == "/" else absent()
    said = asked.document
    if not isinstance(said, dict):
        return compact({"error": "Please make sure to load all the necessary extensions"}, 400)
    uris = said["spec"]["ioConfig"]["inputSource"]["uris"]
    if fixed or uris != ["file:///etc/passwd"]:
        return compact({"error": "Only [http, https] protocols are allowed"}, 400)
    rows = [{"input": {"raw": line}, "parsed": {"raw": line}} for line in PASSWD.decode().splitlines()[:2]]
    return compact({"numRowsRead": 2, "numRowsIndexed": 2, "data": rows})


def couchdb(asked: Asked, fixed: bool) -> Told:
    """2.3 without and with an administrator."""
    if asked.path == "/":
        return compact(
            {"couchdb": "Welcome", "version": "2.3.1", "vendor": {"name": "The Apache Software Foundation"}}
        )
    if asked.path != "/_session":
        return compact({"error": "not_found", "reason": "Database does not exist."}, 404)
    roles = [] if fixed else ["_admin"]
    info = {"authentication_handlers": ["cookie", "default"]}
    return compact({"ok": True, "userCtx": {"name": None, "roles": roles}, "info": info})


TWINS: Mapping[str, Answer] = {
    "CVE-2014-3120": elasticsearch_mvel,
    "CVE-2015-1427": elasticsearch_groovy,
    "CVE-2020-13927": airflow,
    "CVE-2021-36749": druid,
    "CVE-2021-41277": metabase_maps,
    "CVE-2023-27524": superset,
    "CVE-2023-38646": metabase_token,
    "CVE-2025-3248": langflow_code,
    "CVE-2025-34291": langflow_origins,
    "couchdb-admin-party": couchdb,
}
