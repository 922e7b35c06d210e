"""A template that only a DNS lookup proves is not tested by a listener without a domain, and never told as clean."""

from __future__ import annotations

import random
import time

import pytest

from secrecon.app.settings import Settings
from secrecon.app.template_run import OwnListener
from secrecon.engine.templating.driver import Job, by_lookup_alone
from secrecon.model.target import Origin
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.session import prepare
from secrecon.templates.execution.subject import Subject
from secrecon.templates.parse import read_draft
from secrecon.templates.template import Template

TEMPLATE = """
id: calls-back
info: {name: It calls back, author: secrecon, severity: high}
http:
  - path: ["{{BaseURL}}/?x=http://{{interactsh-url}}/"]
    matchers:
      - MATCHER
"""
BY_NAME = "{type: dsl, dsl: [\"contains(interactsh_protocol, 'dns') || contains(interactsh_protocol, 'ldap')\"]}"
WORD = "{type: word, part: interactsh_protocol, words: [dns]}"
EITHER = "{type: word, part: interactsh_protocol, words: [dns, http]}"
FETCH = "{type: dsl, dsl: [\"contains(interactsh_protocol, 'http')\"]}"
NONE = "{type: word, words: [the dns is down]}"


def made(matcher: str) -> Template:
    source = TEMPLATE.replace("MATCHER", matcher)
    return read_draft(source.encode(), random.Random(1)).compile(lambda name: b"")


@pytest.mark.parametrize(
    ("matcher", "alone"), [(BY_NAME, True), (WORD, True), (EITHER, False), (FETCH, False), (NONE, False)]
)
def test_it_gets_an_address_only_where_that_can_be_looked_up(matcher: str, alone: bool) -> None:
    template = made(matcher)
    assert by_lookup_alone(template) is alone
    ambient = Ambient(time.time, random.Random(1), lambda seconds: None)
    job = Job(prepare(template, ambient), Subject(Origin("http", "shop.acme.test", 80), "shop.acme.test"))
    without = OwnListener(Settings(oast_http_port=0, oast_dns_port=0), "127.0.0.1")
    named = OwnListener(Settings(oast_http_port=0, oast_dns_port=0, oast_domain="cb.test"), "127.0.0.1")
    assert (without.mint(job) is None) is alone
    address = named.mint(job)
    assert address is not None
    assert address[0].endswith(".cb.test")
