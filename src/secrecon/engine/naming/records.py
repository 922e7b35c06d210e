"""What DNS records tell of names: name servers, mail hosts, services, aliases, and what a policy in TXT lets send mail. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from secrecon.model.dns import DnsAnswer

MAX_TEXT = 4_000
TYPES = ("NS", "MX", "TXT", "SOA", "CNAME", "DNAME")
"""What is asked of the apex."""
_SPF = (
    "include:",
    "a:",
    "mx:",
    "ptr:",
    "exists:",
    "redirect=",
    "+a:",
    "+mx:",
    "+include:",
    "?include:",
    "~include:",
)


def names_in(answer: DnsAnswer) -> Iterator[tuple[str, str]]:
    """Each name that the records mention, with the type of the record that does. They may be outside the target."""
    for record in answer.records:
        words = record.value.split()
        if not words:
            continue
        if record.type in ("NS", "CNAME", "DNAME", "PTR", "SOA"):
            yield words[0], record.type
        elif record.type == "MX" and len(words) > 1:
            yield words[1], record.type
        elif record.type == "SRV" and len(words) > 3:
            yield words[3], record.type
        elif record.type == "TXT":
            yield from ((name, "TXT") for name in _policy(record.value))


def included(answer: DnsAnswer) -> Iterator[str]:
    """Names whose mail policies are part of those in the answer."""
    for record in answer.records:
        if record.type == "TXT":
            yield from _policy(record.value, ("include:", "+include:", "?include:", "~include:", "redirect="))


def _policy(text: str, marks: tuple[str, ...] = _SPF) -> Iterator[str]:
    """The names in an SPF policy (RFC 7208); a name with a macro in it is none."""
    bare = text.replace('" "', "").replace('"', "")[:MAX_TEXT]
    if not bare.lower().startswith("v=spf1"):
        return
    for word in bare.lower().split():
        for prefix in marks:
            if word.startswith(prefix):
                name = word[len(prefix) :].partition("/")[0]
                if "%" not in name:
                    yield name
