"""The fingerprints that ship: enough of them, read without error, and quiet on a page that has nothing to say."""

from __future__ import annotations

from collections import Counter

import pytest

from secrecon.detect.fingerprint import Fingerprints
from secrecon.detect.fingerprint_patterns import compile_pattern
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

REQUIRED = {
    "nginx",
    "apache",
    "iis",
    "caddy",
    "lighttpd",
    "tomcat",
    "jetty",
    "openresty",
    "werkzeug",
    "gunicorn",
    "uvicorn",
    "node",
    "express",
    "php",
    "asp.net",
    "wordpress",
    "drupal",
    "joomla",
    "typo3",
    "magento",
    "ghost",
    "grafana",
    "jenkins",
    "gitlab",
    "confluence",
    "jira",
    "nexus",
    "sonarqube",
    "kibana",
    "elasticsearch",
    "zabbix",
    "phpmyadmin",
    "nextcloud",
    "gitea",
    "minio",
    "keycloak",
    "airflow",
    "superset",
    "metabase",
    "solr",
    "struts",
    "spring-boot",
    "jupyter",
    "exchange",
    "netscaler",
    "big-ip",
    "fortigate",
    "ivanti-connect-secure",
    "globalprotect",
    "vcenter",
    "manageengine",
    "zimbra",
    "roundcube",
    "cpanel",
    "webmin",
    "splunk",
    "teamcity",
    "telerik",
    "screenconnect",
    "moveit",
    "cisco-ios-xe",
    "sharepoint",
    "jquery",
    "bootstrap",
    "angularjs",
    "react",
    "vue",
    "lodash",
    "moment",
}


@pytest.fixture(scope="module")
def fingerprints() -> Fingerprints:
    return Fingerprints.load()


def test_all_that_is_required_is_there(fingerprints: Fingerprints) -> None:
    ids = Counter(fingerprint.id for fingerprint in fingerprints.all)
    assert set(ids) >= REQUIRED
    assert len(ids) >= 70


def test_no_pattern_matches_nothing_or_everything(fingerprints: Fingerprints) -> None:
    """A pattern that matches the empty text would match every page."""
    for fingerprint in fingerprints.all:
        for signal in fingerprint.signals:
            for condition in signal.conditions:
                if condition.kind in ("html", "title", "script", "code", "path"):
                    assert compile_pattern(condition.pattern).search(b"") is None, (fingerprint.id, condition)


def test_icons_alone_are_weak_and_belong_to_one_product(fingerprints: Fingerprints) -> None:
    owners: dict[str, str] = {}
    for fingerprint in fingerprints.all:
        for signal in fingerprint.signals:
            if signal.conditions[0].kind == "favicon":
                assert signal.confidence <= 0.6
                for value in signal.conditions[0].pattern.split(","):
                    assert owners.setdefault(value, fingerprint.id) == fingerprint.id


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (
            "text/html",
            "<!doctype html><html><head><title>Home</title></head><body><h1>Hello</h1><form></form></body>",
        ),
        ("application/json", '{"status": "ok", "version": "1.2.3", "name": "api"}'),
        ("text/plain", "User-agent: *\nDisallow: /admin\n"),
        ("text/html", "<title>404 Not Found</title><h1>Not Found</h1><p>The page was not found.</p>"),
        ("application/javascript", "(function(){var VERSION='1.2.3';console.log(VERSION)})()"),
    ],
)
def test_a_page_that_says_nothing_betrays_nothing(fingerprints: Fingerprints, content_type: str, body: str) -> None:
    origin = Origin("https", "plain.acme.test", 443)
    headers = (("Content-Type", content_type), ("Cache-Control", "no-store"), ("Set-Cookie", "sid=1; Secure"))
    data = body.encode()
    reply = HttpReply(200, "OK", headers, data, b"", data, b"", False, (), 0.01, "127.0.0.1")
    assert fingerprints.identify(str(origin), HttpExchange(HttpRequest(origin), reply)) == ()
