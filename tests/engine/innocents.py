"""Servers that look guilty and are not: nothing may be found on any of them, by scans or by our own templates."""

from __future__ import annotations

import html
import json
from urllib.parse import parse_qsl, quote, unquote_plus

from tests.engine.habits import Asked, Habit, noise, reply

FORMS = """<!doctype html><html><head><title>Shop</title><script src="/static/app.js"></script></head><body>
<a href="/fetch?url=http://static.example.test/a.png">picture</a> <a href="/go?next=/cart">cart</a>
<a href="/files/list.php?file=a.txt">files</a> <a href="/search?q=tea&amp;lang=en">search</a>
<form method="post" action="/preview"><input name="image_url"><input name="title" value="x"></form>
<form method="get" action="/jump"><input name="redirect"><input name="return_to" value="/"></form>
</body></html>"""

TUTORIAL = """<!doctype html><html><head><title>phpinfo() - how to harden a server</title></head><body>
<h1>Index of /</h1><p>If you see this page, listings are on:</p>
<pre><a href="../">Parent Directory</a> <a href="backup.zip">backup.zip</a> 2024-01-01 10:00 12K</pre>
<h1 class="p">PHP Version 8.1.2</h1><table><tr><td class="e">System </td><td class="v">Linux web 5.10</td></tr></table>
<pre>
APP_KEY=base64:c29tZXRoaW5nIHNlY3JldCBoZXJl
DB_PASSWORD=correct-horse-battery
AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
root:x:0:0:root:/root:/bin/bash
admin:$apr1$abcdefgh$0123456789012345678901
-----BEGIN RSA PRIVATE KEY-----
MIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ
-----END RSA PRIVATE KEY-----
ref: refs/heads/main
[core]
    repositoryformatversion = 0
&lt;?php define('DB_PASSWORD', 'secret'); ?&gt;
-- MySQL dump 10.13
INSERT INTO `users` VALUES (1,'a');
Apache Server Status for example.com
Server uptime: 1 day  Scoreboard Key: Total accesses: 3
Active connections: 3
</pre>
<script src="/jquery.js"></script></body></html>"""


def same_page(_: Asked) -> bytes:
    return reply(FORMS)


def tutorial(_: Asked) -> bytes:
    return reply(TUTORIAL + FORMS)


def tutorial_as_text(asked: Asked) -> bytes:
    if asked.path == "/":
        return reply(FORMS)
    return reply(TUTORIAL.partition("<pre>\n")[2].partition("</pre>")[0], "200 OK", "text/plain")


def echo_html(asked: Asked) -> bytes:
    """The request as a page, escaped as it should be; its decoded values as well."""
    said = asked.head.decode("latin-1") + asked.body.decode("latin-1")
    return reply(
        f"<html><body><pre>{html.escape(said)}\n{html.escape(unquote_plus(said))}</pre>{FORMS}</body></html>"
    )


def echo_text(asked: Asked) -> bytes:
    if asked.path == "/" and asked.method == "GET" and "?" not in asked.target:
        return reply(FORMS)
    said = asked.head.decode("latin-1") + asked.body.decode("latin-1")
    return reply(said + unquote_plus(said), "200 OK", "text/plain")


def echo_json(asked: Asked) -> bytes:
    if asked.path == "/" and asked.method == "GET" and "?" not in asked.target:
        return reply(FORMS)
    said = {
        "path": asked.path,
        "query": dict(parse_qsl(asked.target.partition("?")[2], keep_blank_values=True)),
        "headers": asked.head.decode("latin-1").split("\r\n"),
        "body": asked.body.decode("latin-1"),
    }
    return reply(json.dumps(said), "200 OK", "application/json")


def to_a_fixed_page(asked: Asked) -> bytes:
    if asked.path == "/welcome":
        return reply(FORMS)
    return reply("", "302 Found", "text/html", ("Location", "/welcome"))


def to_the_login(asked: Asked) -> bytes:
    """As a single sign-on does: the place asked for goes along, in the query of an address of its own."""
    if asked.path in ("/", "/login"):
        return reply(FORMS)
    own = asked.header("host")
    return reply("", "302 Found", "text/html", ("Location", f"https://{own}/login?next={quote(asked.target)}"))


def to_the_login_raw(asked: Asked) -> bytes:
    if asked.path in ("/", "/login"):
        return reply(FORMS)
    return reply(
        "",
        "302 Found",
        "text/html",
        ("Location", f"/login?next={unquote_plus(asked.target)[:500]}".split("\n")[0].split("\r")[0]),
    )


def origin_without_credentials(asked: Asked) -> bytes:
    if asked.path not in ("/", "/api/items"):
        return reply("<html><p>not found</p></html>", "404 Not Found")
    more = [("Access-Control-Allow-Origin", asked.header("origin") or "*"), ("Vary", "Origin")]
    return reply(FORMS, "200 OK", "text/html", *more)


def noise_for_everything(asked: Asked) -> bytes:
    if asked.path == "/":
        return reply(FORMS)
    return reply(noise(asked.number, 3_000), "200 OK", "application/octet-stream")


def words_for_everything(asked: Asked) -> bytes:
    """Another text each time, so that no two missing pages look alike."""
    if asked.path == "/":
        return reply(FORMS)
    return reply(f"<html><p>{noise(asked.number, 1_500).hex(' ', 5)}</p></html>")


def proxy_error(_: Asked) -> bytes:
    return reply(
        "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr></body></html>",
        "502 Bad Gateway",
    )


def proxy_error_200(_: Asked) -> bytes:
    return reply(
        "<html><head><title>ERROR: The requested URL could not be retrieved</title></head><body>squid</body></html>"
    )


INNOCENTS: tuple[Habit, ...] = (
    same_page,
    tutorial,
    tutorial_as_text,
    echo_html,
    echo_text,
    echo_json,
    to_a_fixed_page,
    to_the_login,
    to_the_login_raw,
    origin_without_credentials,
    noise_for_everything,
    words_for_everything,
    proxy_error,
    proxy_error_200,
)
