"""Files that were left where everyone can read them, on three hosts: a developer's, a backup store's, an operator's.

The contents are real in shape (a readable zip, a key made when the lab started) and worthless: no secret here opens
anything. The twins are in `lookalikes`.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile

from secrecon.lab import certificates
from secrecon.lab.site import Handler, Routes, Site, raw, text_page
from secrecon.lab.world import World

TEXT, HTML, JSON, BINARY = "text/plain", "text/html; charset=utf-8", "application/json", "application/octet-stream"

GIT_CONFIG = (
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
    '[remote "origin"]\n\turl = git@git.acme.test:web/shop.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
)
ENV = (
    "APP_NAME=shop\nAPP_ENV=production\nAPP_KEY=base64:bGFiLW9ubHktbm90LWEtc2VjcmV0\nDB_CONNECTION=mysql\n"
    "DB_HOST=127.0.0.1\nDB_DATABASE=shop\nDB_USERNAME=shop\nDB_PASSWORD=lab-only-not-a-secret\n"
)
SQL_DUMP = (
    "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n-- Host: localhost    Database: shop\n"
    "-- ------------------------------------------------------\n"
    "DROP TABLE IF EXISTS `customers`;\nCREATE TABLE `customers` (\n  `id` int NOT NULL,\n  `name` varchar(80)\n);\n"
    "INSERT INTO `customers` VALUES (1,'Wile E. Coyote');\n-- Dump completed on 2026-01-05  3:00:01\n"
)
CONFIG_BACKUP = (
    "<?php\n/** The base configuration for WordPress */\ndefine( 'DB_NAME', 'blog' );\ndefine( 'DB_USER', 'blog' );\n"
    "define( 'DB_PASSWORD', 'lab-only-not-a-secret' );\ndefine( 'DB_HOST', 'localhost' );\n"
    "$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n"
)
HTPASSWD = "wile:$apr1$l4b0nly0$0123456789abcdefABCDE/\nroad:$apr1$l4b0nly1$abcdefABCDE0123456789.\n"
PHPINFO = (
    '<!DOCTYPE html><html><head><title>PHP 8.3.6 - phpinfo()</title><meta name="ROBOTS" content="NOINDEX" /></head>'
    '<body><div class="center"><table><tr class="h"><td><h1 class="p">PHP Version 8.3.6</h1></td></tr></table>'
    '<table><tr><td class="e">System </td><td class="v">Linux web1 6.8.0 x86_64 </td></tr>'
    '<tr><td class="e">Server API </td><td class="v">FPM/FastCGI </td></tr>'
    '<tr><td class="e">Loaded Configuration File </td><td class="v">/etc/php/8.3/fpm/php.ini </td></tr></table>'
    "<h2>PHP Variables</h2></div></body></html>\n"
)
SERVER_STATUS = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html><head><title>Apache Status</title></head><body>\n'
    "<h1>Apache Server Status for ops.acme.test (via 127.0.0.1)</h1>\n<dl><dt>Server MPM: event</dt>\n"
    "<dt>Server Built: 2026-07-20T08:00:00</dt></dl><hr /><dl>\n<dt>Current Time: Monday, 05-Jan-2026 03:00:01 UTC</dt>\n"
    "<dt>Total accesses: 4096 - Total Traffic: 12 MB</dt>\n<dt>Server uptime:  3 days 4 hours</dt></dl>\n"
    '<pre>__W_....</pre><p>Scoreboard Key:<br />"<b><code>_</code></b>" Waiting for Connection</p>\n'
    "</body></html>\n"
)
ACTUATOR_ENV = {
    "activeProfiles": ["production"],
    "propertySources": [
        {
            "name": "systemProperties",
            "properties": {"java.version": {"value": "21.0.4"}, "user.dir": {"value": "/opt/shop"}},
        },
        {"name": "systemEnvironment", "properties": {"DB_PASSWORD": {"value": "******"}}},
    ],
}
SOURCE_MAP = {
    "version": 3,
    "file": "app.js",
    "sources": ["webpack:///./src/cart.ts"],
    "sourcesContent": ["export function total(prices: number[]) { return prices.reduce((a, b) => a + b, 0); }\n"],
    "names": [],
    "mappings": "AAAA",
}
APP_JS = "function total(p){return p.reduce((a,b)=>a+b,0)}\n//# sourceMappingURL=app.js.map\n"
LISTING = (
    "<html><head><title>Index of /files/</title></head><body><h1>Index of /files/</h1><hr><pre>"
    '<a href="../">../</a>\n<a href="invoice-01.txt">invoice-01.txt</a>         05-Jan-2026 03:00      41\n'
    '<a href="invoice-02.txt">invoice-02.txt</a>         05-Jan-2026 03:00      41\n</pre><hr></body></html>\n'
)


def sites(world: World) -> list[Site]:
    """The three careless hosts."""
    dev: Routes = {
        ("GET", "/"): text_page(
            "Development", '<p>Our shop, next version.</p><script src="/static/app.js"></script>'
        ),
        ("GET", "/.git/HEAD"): raw("ref: refs/heads/main\n", BINARY),
        ("GET", "/.git/config"): raw(GIT_CONFIG, BINARY),
        ("GET", "/.svn/entries"): raw("12\n", TEXT),
        ("GET", "/.svn/wc.db"): raw(_sqlite_head(), BINARY),
        ("GET", "/.env"): raw(ENV, BINARY),
        ("GET", "/.DS_Store"): raw(ds_store(("backup.zip", "index.php")), BINARY),
        ("GET", "/static/app.js"): raw(APP_JS, "text/javascript"),
        ("GET", "/static/app.js.map"): raw(json.dumps(SOURCE_MAP), JSON),
    }
    backup: Routes = {
        ("GET", "/"): text_page("Backups", "<p>Nothing to see.</p>"),
        ("GET", "/backup.zip"): raw(archive(), "application/zip"),
        ("GET", "/dump.sql"): raw(SQL_DUMP, "application/sql"),
        ("GET", "/wp-config.php.bak"): raw(CONFIG_BACKUP, BINARY),
        ("GET", "/server.key"): raw(certificates.throwaway_key(), BINARY),
        ("GET", "/.htpasswd"): raw(HTPASSWD, BINARY),
    }
    ops: Routes = {
        ("GET", "/"): text_page("Operations", '<p>Documents are <a href="/files/">here</a>.</p>'),
        ("GET", "/server-status"): raw(SERVER_STATUS, HTML),
        ("GET", "/phpinfo.php"): raw(PHPINFO, HTML),
        ("GET", "/actuator/env"): raw(json.dumps(ACTUATOR_ENV), "application/vnd.spring-boot.actuator.v3+json"),
        ("GET", "/files/"): raw(LISTING, HTML),
        ("GET", "/files/invoice-01.txt"): _invoice(1),
        ("GET", "/files/invoice-02.txt"): _invoice(2),
    }
    return [Site("dev", dev), Site("backup", backup), Site("ops", ops)]


def archive() -> bytes:
    """A real zip archive with two harmless files."""
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, text in (("index.php", "<?php echo 'hello';\n"), ("README.txt", "A copy of the shop.\n")):
            zipped.writestr(zipfile.ZipInfo(name, (2026, 1, 5, 3, 0, 0)), text)
    return store.getvalue()


def ds_store(names: tuple[str, ...]) -> bytes:
    """A macOS folder file: the Bud1 header, and records whose names are UTF-16."""
    records = b"".join(
        struct.pack(">I", len(name))
        + name.encode("utf-16-be")
        + b"Iloc"
        + b"blob"
        + struct.pack(">I", 16)
        + bytes(16)
        for name in names
    )
    return struct.pack(">I4sIII", 1, b"Bud1", 2048, 2048, 2048) + bytes(16) + records.ljust(2048, b"\0")


def _sqlite_head() -> bytes:
    """The head of Subversion's working-copy database."""
    return (
        b"SQLite format 3\0"
        + struct.pack(">HBBBBBB", 4096, 1, 1, 0, 64, 32, 32)
        + bytes(76)
        + b"WC_ID REPOSITORY NODES"
    )


def _invoice(number: int) -> Handler:
    return raw(f"Invoice {number}: one anvil, paid in advance.\n", TEXT)
