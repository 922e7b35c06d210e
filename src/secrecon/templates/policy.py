"""What a template would do to its target, decided from what it sends, before the first byte.

Three levels: light (reads what any visitor could), active (sends something that only a test would: a traversal, an
injection that computes or calls back), intrusive (would write, delete, upload, run commands, log in, or make the
target wait or work). Tags alone are not enough: most community templates that run a command carry none that says so.
So every text that leaves is read as well. Where in doubt the higher level is taken; intrusive never runs unless the
operator says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import re2

from secrecon.model.scan import Touch
from secrecon.templates.payloads import Payloads
from secrecon.templates.template import Template

MAX_REASONS = 8
_INTRUSIVE_TAGS = {
    "intrusive": "its author calls it intrusive",
    "dos": "denial of service",
    "fuzz": "fuzzing",
    "fuzzing": "fuzzing",
    "brute-force": "it tries many passwords",
    "bruteforce": "it tries many passwords",
    "default-login": "it logs in",
    "fileupload": "it uploads a file",
    "file-upload": "it uploads a file",
    "token-spray": "it uses somebody's token",
    "time-based-sqli": "it makes the target wait",
    "time-based": "it makes the target wait",
    "authenticated": "it logs in",
    "creds-stuffing": "it logs in",
}
_WRITES = frozenset({"PUT", "DELETE", "PATCH", "MKCOL", "MOVE", "COPY", "PROPPATCH", "LOCK"})
_COMMANDS = (
    r"(?:id|whoami|uname|cat|type|ls|dir|ping|curl|wget|nslookup|dig|ifconfig|ipconfig|echo|expr|bash|sh|cmd|powershell|"
    r"certutil|python3?|perl|nc|sleep|touch|rm|printenv|env|set|net)"
)
# Alternatives that are looked for in what leaves, as written and percent-decoded once; case makes no difference.
_SIGNS: dict[str, tuple[str, ...]] = {
    "it runs a command": (
        r"runtime\s*(?:\(\)|%28%29)?\s*[.)].{0,60}\bexec\b",
        r"getruntime",
        r"processbuilder",
        r"processimpl",
        r"freemarker\.template\.utility\.execute",
        r"\b(?:shell_exec)",
        r"\b(?:passthru)",
        r"\b(?:popen)",
        r"\b(?:proc_open)",
        r"\b(?:pcntl_exec)",
        r"\b(?:os\.system)",
        r"\b(?:subprocess\.)",
        r"\b(?:child_process)",
        r"\b(?:execsync)",
        r"\b(?:spawnsync)",
        r"\b(?:xp_cmdshell)",
        r"\b(?:system\s*\()",
        r"\b(?:exec\s*\()",
        r"\b(?:assert\s*\(\s*base64)",
        r"(?:[;|&`\n]|\$\(|%0a|%26|%7c|%3b|\|\|)\s*(?:/usr/bin/|/bin/)?" + _COMMANDS + r"(?:[\s+;|&`)%'\"$<]|$)",
        r"cmd(?:\.exe)?\s*/c",
        r"/bin/(?:ba|da|c|k|z)?sh\b",
        r"powershell(?:\.exe)?\s",
        r"\$\{ifs\}",
        r"<!--#exec",
        r"\b(?:cmd|command|exec|shell|run)=" + _COMMANDS + r"(?:[\s&+%'\"]|$)",
        r"@java\.lang\.(?:runtime|processbuilder)",
        r"t\(java\.lang\.runtime\)",
        r"new\s+java\.lang\.processbuilder",
        r"#_memberaccess",
        r"ognl\.ognlcontext",
        r"org\.springframework\.cglib",
        r"javax\.script\.scriptenginemanager",
    ),
    "it writes to the target": (
        r"file_put_contents",
        r"fwrite\s*\(",
        r"fputs\s*\(",
        r"into\s+(?:out|dump)file",
        r"move_uploaded_file",
        r"fileoutputstream",
        r"filewriter",
        r"config\s+set\s+dir",
        r"\becho\b[^\n]{0,200}>\s*/?\w",
        r"printwriter",
    ),
    "it uploads a file": (
        r"filename\*?=\s*[\"']?[^\"'\s;]+\.(?:php\w?|phtml|jspx?|aspx?|asp|war|jar|py|sh|exe|html?|svg|"
        r"txt|zip|tar|gz|cgi|pl|xml|gif|png|jpe?g)",
    ),
    "it deletes or drops something": (
        r"\bdrop\s+(?:table|database)\b",
        r"\bdelete\s+from\b",
        r"\btruncate\s+table\b",
        r"unlink\s*\(",
        r"\brm\s+-\w*[rf]",
        r"action=delete",
        r"/delete(?:user|file|account)",
        r"shutdown\b\s*(?:now|-h|/s)",
    ),
    "it changes data": (
        r"\binsert\s+into\b",
        r"\bupdate\s+\w+\s+set\b",
        r"\balter\s+(?:user|table)\b",
        r"\bgrant\s+all\b",
        r"create\s+user\b",
    ),
    "it makes the target wait": (
        r"\b(?:pg_)?sleep\s*(?:\(|%28)",
        r"benchmark\s*\(",
        r"waitfor\s+delay",
        r"dbms_pipe\.receive_message",
        r"dbms_lock\.sleep",
        r"randomblob\s*\(",
        r"generate_series\s*\(\s*1\s*,\s*\d{6}",
    ),
    "it creates an account or sets a password": (
        r"(?:new_?pass(?:word)?|confirm_?pass(?:word)?|password_?confirm\w*|passwd2|repassword)[\"']?\s*[=:]",
        r"action=(?:register|add_?user|create_?user)",
        r"/(?:add|create)_?-?user\b",
        r"role[\"']?\s*[=:]\s*[\"']?administrator",
    ),
    "it reads private data": (
        r"/etc/shadow",
        r"\.ssh/id_\w+",
        r"/\.bash_history",
        r"wallet\.dat",
        r"/proc/self/environ",
        r"169\.254\.169\.254",
        r"metadata\.google\.internal",
    ),
}
_ACTIVE = re2.compile(
    r"(?i)(?:\.\./|\.\.\\|%2e%2e|\.\.%2f|%252e|\.\.;|/etc/passwd|win\.ini|boot\.ini|web\.xml|/etc/hosts|<script|onerror=|"
    r"alert\s*\(|javascript:|\bunion\b.{0,40}\bselect\b|\border\s+by\b\s+\d|'\s*(?:or|and)\s*'?\d|extractvalue\s*\(|"
    r"updatexml\s*\(|\$\{|\{\{\s*\d+\s*\*|#\{|%\{|<%=|\bjndi:|<!entity|<!doctype\s+\w+\s*\[|php://|file:///|gopher://|dict://|"
    r"interactsh-url|oast|\.\.\.\.//|%00|%0d%0a|%5c%5c|__proto__|%c0%ae|\bselect\b.{0,60}\bfrom\b|phpinfo\(|md5\()"
)
_COMPILED = tuple((why, re2.compile(f"(?is){'|'.join(signs)}")) for why, signs in _SIGNS.items())
_CREDENTIAL = re2.compile(
    r"(?i)(?:\b(?:pass(?:word|wd)?|pwd|j_password|secret)[\"']?\s*(?:=|:|%22:|\"\s*:)\s*[\"']?[^\s&\"'<]|authorization:\s*basic)"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a level was taken. `text`: the part that was seen, "" for a tag or a method."""

    why: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Safety:
    """`level`, and the reasons that led to it; none for light."""

    level: Touch
    reasons: tuple[Reason, ...] = ()

    @property
    def words(self) -> str:
        return (
            "; ".join(dict.fromkeys(reason.why for reason in self.reasons))
            or "it only reads what any visitor could"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a template may run, and in words why or why not."""

    allowed: bool
    why: str


def classify(template: Template) -> Safety:
    """The level of a template and what it was seen by."""
    reasons = [Reason(_INTRUSIVE_TAGS[tag]) for tag in _tags(template) if tag in _INTRUSIVE_TAGS]
    sent = list(texts(template))
    reasons += [Reason(f"it sends {method}") for method in methods(template) if method in _WRITES]
    reasons += list(_signs(sent))
    reasons += _waits(template) + _credentials(template, sent)
    if reasons:
        return Safety(Touch.INTRUSIVE, tuple(dict.fromkeys(reasons))[:MAX_REASONS])
    active = [Reason("it sends what only a test would", found) for found in _seen(sent)]
    active += [
        Reason(f"it sends {method}") for method in methods(template) if method not in ("GET", "HEAD", "OPTIONS")
    ]
    active += [Reason("it talks to a network service")] if any(block.inputs for block in template.tcp) else []
    active += [Reason("it tries a list of values")] if _many(template) else []
    return Safety(Touch.ACTIVE, tuple(active[:MAX_REASONS])) if active else Safety(Touch.LIGHT)


def decide(safety: Safety, touch: Touch, *, intrusive: bool = False) -> Decision:
    """Whether a template of this level may run where `touch` is allowed. `intrusive`: the operator said so."""
    if safety.level is Touch.INTRUSIVE and not intrusive:
        return Decision(False, f"by policy: intrusive templates do not run unless asked for ({safety.words})")
    if safety.level.rank > max(touch.rank, Touch.INTRUSIVE.rank if intrusive else 0):
        return Decision(False, f"the target is not authorized for {safety.level} checks ({safety.words})")
    return Decision(True, f"{safety.level}: {safety.words}")


def texts(template: Template) -> Iterator[str]:
    """Everything a template may send, as written: paths, raw requests, headers, bodies, inputs, payloads, variables."""
    for block in template.http:
        yield from (text.source for text in block.paths)
        yield from (raw.text.source for raw in block.raws)
        yield from (f"{name}: {value.source}" for name, value in block.headers)
        if block.body is not None:
            yield block.body.source
        yield from _payload_texts(block.payloads)
    for lookup in template.dns:
        yield lookup.name.source
    for talk in template.tcp:
        yield from (item.data.source for item in talk.inputs)
        yield from _payload_texts(talk.payloads)
    for _, value in template.variables.entries:
        yield from (text.source for text in (value if isinstance(value, tuple) else (value,)))


def methods(template: Template) -> frozenset[str]:
    """Every method a template uses."""
    found = {block.method for block in template.http if block.paths}
    for block in template.http:
        for raw in block.raws:
            words = raw.text.source.lstrip().split(None, 1)
            found |= {words[0].upper()} if words else set()
    return frozenset(found)


def _tags(template: Template) -> list[str]:
    return [tag.strip().lower() for tag in template.info.tags]


def _payload_texts(payloads: Payloads | None) -> Iterator[str]:
    for _, values in payloads.lists if payloads is not None else ():
        yield from values[:2_000]


def _signs(sent: list[str]) -> Iterator[Reason]:
    for text in sent:
        for shape in {text, _unescaped(text)}:
            for why, sign in _COMPILED:
                match = sign.search(shape)
                if match is not None:
                    yield Reason(why, match.group(0).strip()[:80])


def _seen(sent: list[str]) -> Iterator[str]:
    for text in sent:
        match = _ACTIVE.search(text)
        if match is not None:
            yield match.group(0)[:80]


def _unescaped(text: str) -> str:
    """Percent-decoded once, as far as it is ASCII; `+` is a blank."""
    if "%" not in text and "+" not in text:
        return text
    return str(_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text.replace("+", " ")))


_ESCAPE = re2.compile(r"%([2-7][0-9a-fA-F])")


def _waits(template: Template) -> list[Reason]:
    """A verdict that rests on how long the answer took means that the target was made to wait."""
    timed = any(name.partition("_")[0] == "duration" for block in template.http for name in block.operators.reads)
    return [Reason("it makes the target wait")] if timed else []


def _credentials(template: Template, sent: list[str]) -> list[Reason]:
    """Logging in: a password that the template brings, or a list of them. Empty and own values do not count."""
    posts = methods(template) - {"GET", "HEAD", "OPTIONS"}
    listed = any(
        name.lower() in ("user", "username", "pass", "password", "pwd", "passwd")
        for block in template.http
        for name, _ in (block.payloads.lists if block.payloads is not None else ())
    )
    if listed:
        return [Reason("it tries passwords")]
    found = next((match.group(0) for text in sent if posts and (match := _CREDENTIAL.search(text))), "")
    return [Reason("it logs in or sets a password", found[:80])] if found else []


def _many(template: Template) -> bool:
    return any(block.payloads is not None and block.payloads.count > 100 for block in template.http)
