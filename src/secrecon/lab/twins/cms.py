"""Content management and shops, and plugins of theirs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

from secrecon.lab.twins.php import formatted
from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, as_json, plain, shown


def drupal(asked: Asked, fixed: bool) -> Told:
    """7.57 keeps what a field says and renders it when the form is shown again; 7.58 drops keys with a number sign.

    What Drupal keeps in its cache, the twin keeps in the form's number.
    """
    values = asked.values
    page = values.get("q", "")
    if page == "user/password":
        called = "" if fixed else values.get("name[#post_render][]", "")
        kept = f"{called}|{values.get('name[#markup]', '')}".ljust(30, ".")
        number = base64.urlsafe_b64encode(kept.encode()).decode().rstrip("=")
        search = '<input type="hidden" name="form_build_id" value="form-of-the-search-in-the-corner" />'
        own = f'<input type="hidden" name="form_build_id" value="form-{number}" />'
        kind = '<input type="hidden" name="form_id" value="user_pass" />'
        forms = f'<form>{search}</form><form method="post"><input name="name">{own}\n{kind}</form>'
        return shown("User account | Drupal", forms)
    again = re.fullmatch(r"file/ajax/name/#value/form-([\w-]+)", page)
    if again is None or asked.form.get("form_build_id") != f"form-{again[1]}":
        return shown("Welcome | Drupal", "<p>Drupal</p>") if not page else absent()
    called, _, text = base64.urlsafe_b64decode(again[1] + "==").decode("latin-1").partition("|")
    printed = formatted(text.rstrip(".")) if called == "printf" else ""
    said = [{"command": "settings", "settings": {}, "merge": True}, {"command": "insert", "data": ""}]
    return plain(printed + json.dumps(said, separators=(",", ":")), kind="application/json; charset=utf-8")


def joomla(asked: Asked, fixed: bool) -> Told:
    """4.2.7 takes `public` from the query string as its own word; 4.2.8 does not."""
    if not asked.path.startswith("/api/index.php/v1/"):
        return shown("Home", '<meta name="generator" content="Joomla! - Open Source Content Management">')
    if fixed or asked.values.get("public") != "true":
        return plain('{"errors":[{"title":"Forbidden"}]}', 401, "application/vnd.api+json; charset=utf-8")
    language = {
        "id": 1,
        "lang_id": 1,
        "lang_code": "en-GB",
        "title": "English (en-GB)",
        "sef": "en",
        "published": 1,
    }
    body = {"links": {"self": asked.target}, "data": [{"type": "languages", "id": "1", "attributes": language}]}
    return plain(json.dumps({**body, "meta": {"total-pages": 1}}), kind="application/vnd.api+json; charset=utf-8")


def craft_arguments(asked: Asked, fixed: bool) -> Told:
    """5.5.1 and 5.5.2, on a PHP that hands the query string on as arguments."""
    name, _, folder = asked.query.partition("=")
    if asked.path != "/" or (not fixed and name == "--templatesPath" and folder):
        return shown("404", "<h1>Not Found</h1>", 404, X_Powered_By="Craft CMS")
    return shown("Home", "<p>A site.</p>", X_Powered_By="Craft CMS")


def craft_transform(asked: Asked, fixed: bool) -> Told:
    """5.6.16 builds what a transform describes; 5.6.17 checks the description first."""
    where = asked.values.get("p", "")
    token = "b" * 40
    if where == "admin/login":
        return shown("Sign In", f'<input type="hidden" name="CRAFT_CSRF_TOKEN" value="{token}">')
    if where != "admin/actions/assets/generate-transform":
        return shown("Home", "<p>A site.</p>") if asked.path in ("/", "/index.php") else absent()
    said = asked.document
    if asked.header("x-csrf-token") != token or not isinstance(said, dict):
        return as_json({"message": "Unable to verify your data submission."}, 400)
    called = re.search(r'"_fn_close": "(\w+)"', json.dumps(said.get("handle")))
    if fixed or not called:
        return as_json({"message": "Invalid asset transform."}, 400)
    credit = "<table><tr class='h'><th>PHP Group</th></tr></table>" if called[1] == "phpcredits" else ""
    return plain(f"<h1>PHP Credits</h1>\n{credit}{{}}" if credit else "{}", 500, "text/html; charset=UTF-8")


def magento(asked: Asked, fixed: bool) -> Told:
    """2.4.7 and 2.4.7-p1: whether an XML reader may be built from a cart's values."""
    if not asked.path.endswith("/estimate-shipping-methods"):
        return shown("Home Page", "<p>Shop</p>") if asked.path == "/" else absent()
    refused = {"message": "No such entity with %fieldName = %fieldValue", "parameters": {"fieldName": "cartId"}}
    source = re.search(r'"sourceData": (\{[^{}]*\})', json.dumps(asked.document))
    if fixed or source is None:
        return as_json(refused, 404 if not fixed else 400)
    values = json.loads(source[1])
    wanted = (str(values.get("data")),) if values.get("dataIsURL") else ()
    said = {"message": "Internal Error. Details are available in Magento log file. Report ID: webapi-65f"}
    return Told(json.dumps(said), 500, "application/json; charset=utf-8", fetches=wanted)


def duplicator(asked: Asked, fixed: bool) -> Told:
    """1.3.26 joins the name to its folder as it is; 1.3.28 has no such action for strangers."""
    if asked.path != "/wp-admin/admin-ajax.php":
        return shown("A blog", "<p>WordPress</p>") if asked.path == "/" else absent()
    values = asked.values
    if fixed or values.get("action") != "duplicator_download":
        return plain("0", 400, "text/html; charset=UTF-8")
    name = values.get("file", "")
    if name.count("../") >= 7 and name.endswith("../etc/passwd"):
        return plain(PASSWD, kind="application/octet-stream")
    return plain("", kind="text/html; charset=UTF-8")


def file_manager(asked: Asked, fixed: bool) -> Told:
    """6.8 ships the connector as a script; 6.9 without it."""
    if fixed or asked.path != "/wp-content/plugins/wp-file-manager/lib/php/connector.minimal.php":
        return shown("A blog", "<p>WordPress</p>") if asked.path == "/" else absent()
    known = {"open": '{"cwd":{"mime":"directory","name":"files"},"files":[]}'}
    said = known.get(asked.values.get("cmd", ""), '{"error":["errUnknownCmd"]}')
    return plain(said, kind="application/json; charset=utf-8")


def social_warfare(asked: Asked, fixed: bool) -> Told:
    """The readme of 3.5.2 and of 3.5.3."""
    if asked.path != "/wp-content/plugins/social-warfare/readme.txt":
        return shown("A blog", "<p>WordPress</p>") if asked.path == "/" else absent()
    tag = "3.5.3" if fixed else "3.5.2"
    return plain(
        "=== WordPress Social Sharing Plugin - Social Warfare ===\nContributors: somebody\n"
        f"Requires at least: 3.5.0\nTested up to: 5.1.1\nStable tag: {tag}\n\nShare buttons.\n"
    )


TWINS: Mapping[str, Answer] = {
    "CVE-2018-7600": drupal,
    "CVE-2019-9978": social_warfare,
    "CVE-2020-11738": duplicator,
    "CVE-2020-25213": file_manager,
    "CVE-2023-23752": joomla,
    "CVE-2024-34102": magento,
    "CVE-2024-56145": craft_arguments,
    "CVE-2025-32432": craft_transform,
}
