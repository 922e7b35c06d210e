"""Every function of the language: golden values from its specification, typed arguments, refusals."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import string
import zipfile
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secrecon.templates.dsl import compile_expression, evaluate
from secrecon.templates.dsl.functions.refused import REASONS
from secrecon.templates.dsl.functions.registry import ALL, FUNCTIONS
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError, FunctionRefused

NOW = 1642091410.75  # 2022-01-13 16:30:10 UTC

GOLDEN: list[tuple[str, object]] = [
    ("len('Hello')", 5),
    ("len(1234)", 4),
    ("len(split('a,b', ','))", 2),
    ("to_upper('hällo')", "HÄLLO"),
    ("tolower('HELLO')", "hello"),
    ("to_title('hello wORLD, it is')", "Hello World, It Is"),
    ("sort(12453)", "12345"),
    ("sort('b', 'a', 2)", ["2", "a", "b"]),
    ("uniq('abcabd')", "abcd"),
    ("uniq('ab', 'cd', 'ab')", ["ab", "cd"]),
    ("repeat('../', '3')", "../../../"),
    ("repeat(5, 3)", "555"),
    ("replace('Hello', 'l', 'L')", "HeLLo"),
    ("replace('ab', '', '-')", "-a-b-"),
    (r"replace_regex('He123llo', '(\\d+)', '')", "Hello"),
    (r"replace_regex('ab12', '([a-z]+)(\\d+)', '$2-${1}$$')", "12-ab$"),
    ("replace_regex('ab', '(a)', '$1x')", "b"),
    ("trim('aaaHelloddd', 'ad')", "Hello"),
    ("trim_left('aaaHelloddd', 'ad')", "Helloddd"),
    ("trim_right('aaaHelloddd', 'ad')", "aaaHello"),
    ("trim('abc', '')", "abc"),
    ("trim_space(text)", "Hello"),
    ("trim_prefix('aaHelloaa', 'aa')", "Helloaa"),
    ("trim_suffix('aaHelloaa', 'aa')", "aaHello"),
    ("reverse('abü')", "üba"),
    ("contains('Hello', 'lo')", True),
    ("contains(1234, 23)", True),
    ("contains_all('Hello', 'lo', 'He')", True),
    ("contains_all('Hello', 'lo', 'x')", False),
    ("contains_any('Hello', 'x', 'lo')", True),
    ("contains_any('Hello', 'x')", False),
    ("starts_with('Hello', 'x', 'He')", True),
    ("ends_with('Hello', 'lo')", True),
    ("line_starts_with(lines, 'He')", True),
    ("line_ends_with(lines, 'Hi')", True),
    ("line_ends_with(lines, 'el')", False),
    ("equals_any('a', 'b', 'a')", True),
    ("equals_any('1', 1)", True),
    ("concat('Hello', 123, 'world', true)", "Hello123worldtrue"),
    ("split('abcdefg', 2)", ["ab", "cd", "ef", "g"]),
    ("split('ab,cd,efg', ',')", ["ab", "cd", "efg"]),
    ("split('ab,cd,efg', ',', 2)", ["ab", "cd,efg"]),
    ("split('ab,cd,efg', ',', '3')", ["ab", "cd", "efg"]),
    ("split('ab,cd', ',', -1)", ["ab", "cd"]),
    ("split('ab,cd', ',', 0)", []),
    ("split('abc', '', 2)", ["a", "bc"]),
    ("join('_', 'Hello', 123, 'world')", "Hello_123_world"),
    ("join(' ', sort('b', 'a'))", "a b"),
    ("join(', ', split(hex_encode('abc'), 2))", "61, 62, 63"),
    ("index('abc', 1)", "b"),
    ("index(split('a,b', ','), '1')", "b"),
    ("substr('xxtestxxx', 2)", "testxxx"),
    ("substr('xxtestxxx', 2, 6)", "test"),
    ("padding('ab', 'xy', 5, 'suffix')", "abxyx"),
    ("padding('ab', 'xy', 5, 'prefix')", "xyxab"),
    ("padding('abcdef', 'x', 3, 'prefix')", "abcdef"),
    ("remove_bad_chars('abba baab', 'b')", "aa aa"),
    ("regex('H([a-z]+)o', 'Hello')", True),
    ("regex('(?i)hELLO$', text)", False),
    ("regex_all('[a-z]', 'a', 'b')", True),
    ("regex_all('[a-z]', 'a', '1')", False),
    ("regex_any('[a-z]', '1', 'b')", True),
    ("to_number('4')", 4),
    ("to_number('-4.5')", -4.5),
    ("to_string(4)", "4"),
    ("to_string(1234567)", "1234567"),
    ("to_bool('true')", True),
    ("to_bool(0)", False),
    ("count('banana', 'a')", 3),
    ("dec_to_hex(7001)", "1b59"),
    ("hex_to_dec('0xff')", 255),
    ("hex_to_dec('ff')", 255),
    ("oct_to_dec('0o1234567')", 342391),
    ("oct_to_dec(1234567)", 342391),
    ("bin_to_dec(1010)", 10),
    ("xor('ab', 'AB')", "  "),
    ("base64('Hello')", "SGVsbG8="),
    ("base64(1234)", "MTIzNA=="),
    ("base64_py('Hello')", "SGVsbG8=\n"),
    ("base64_decode('SGVsbG8=')", "Hello"),
    ("url_encode('a b/ü&~*')", "a%20b%2F%C3%BC%26~*"),
    ("url_encode('a-b', true)", "a%2Db"),
    ("url_decode('%26te+st%2')", "&te+st%2"),
    ("hex_encode('aa')", "6161"),
    ("hex_encode('aa', 'x')", "\\x61\\x61"),
    ("hex_decode('6161')", "aa"),
    ("html_escape('<b>a/b</b>')", "&lt;b&gt;a&sol;b&lt;&sol;b&gt;"),
    ("html_escape('a<', true)", "&#97;&#60;"),
    ("html_unescape('&lt;b&gt;')", "<b>"),
    ("hex_encode(substr(gzip('Hello'), 0, 10))", "1f8b08000000000000ff"),
    ("gzip_decode(gzip('Hello'))", "Hello"),
    ("gzip_mtime(gzip('Hello'))", 0),
    ("gzip_decode(hex_decode('1f8b08000000000000fff248cdc9c907040000ffff8289d1f705000000'))", "Hello"),
    ("zlib_decode(hex_decode('789cf248cdc9c907040000ffff058c01f5'))", "Hello"),
    ("inflate(deflate('Hello'))", "Hello"),
    ("inflate(deflate('Hello'), 2)", "He"),
    ("unpack('>I', hex_decode('00000102'))", 258),
    ("unpack('<h', hex_decode('ffff'))", -1),
    (r"""json_minify('{ "name":  "John <D>", "foo": 1.0 }')""", r'{"foo":1,"name":"John \u003cD\u003e"}'),
    ("""json_prettify('{"b":[1,{}],"a":"x:,{"}')""", '{\n    "b": [\n        1,\n        {}\n    ],\n    "a": "x:,{"\n}'),
    ("md5('Hello')", "8b1a9953c4611296a827abf8c47804d7"),
    ("md5(1234)", "81dc9bdb52d04dc20036dbd8313ed055"),
    ("sha1('Hello')", "f7ff9e8b7bb2e09b70935a5d785e0cc5d9d0abf0"),
    ("sha256('Hello')", hashlib.sha256(b"Hello").hexdigest()),
    ("sha512('Hello')", hashlib.sha512(b"Hello").hexdigest()),
    ("mmh3('Hello')", "316307400"),
    ("hmac('sha1', 'test', 'scrt')", "8856b111056d946d5c6c92a21b43c233596623c6"),
    ("hmac('sha-256', 'test', 'scrt')", "1f1bff5574f18426eb376d6dd5368a754e67a798aa2074644d5e3fd4c90c7a92"),
    ("substr(hex_encode(aes_cbc(hex_decode('6bc1bee22e409f96e93d7e117393172a'), "
     "hex_decode('2b7e151628aed2a6abf7158809cf4f3c'), hex_decode('000102030405060708090a0b0c0d0e0f'))), 0, 32)",
     "7649abac8119b246cee98e9b12e9197d"),
    ("""generate_jwt('{"name":"John Doe","foo":"bar"}', 'HS256', 'hello-world')""",
     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmb28iOiJiYXIiLCJuYW1lIjoiSm9obiBEb2UifQ."
     "EsrL8lIcYJR_Ns-JuhF3VCllCP7xwbpMCCfHin_WT6U"),
    ("compare_versions('v1.0.0', '<1.1.1')", True),
    ("compare_versions('v1.1.1', '>v1.1.0')", True),
    ("compare_versions('1.0.0', '>0.0.1,<1.0.1')", True),
    ("compare_versions('1.0.0', '> 0.0.1', '< 1.0.0')", False),
    ("compare_versions('1.2', '1.2.0')", True),
    ("compare_versions('1.2.3', '~> 1.2.0')", True),
    ("compare_versions('1.3.0', '~> 1.2.0')", False),
    ("compare_versions('1.9', '~> 1.2')", True),
    ("compare_versions('1.10', '> 1.9')", True),
    ("compare_versions('1.0.0', '!= 1.0.1')", True),
    ("compare_versions('1.2.3-rc1', '< 2.0.0')", False),
    ("compare_versions('1.2.3-rc1', '< 1.2.3-rc2')", True),
    ("date_time('%Y-%M-%D %H:%m:%S')", "2022-01-13 16:30:10"),
    ("date_time('%Y-%M-%D', 0)", "1970-01-01"),
    ("date_time('02-01-2006 15:04')", "13-01-2022 16:30"),
    ("date_time('Mon, 02 Jan 2006 3:04PM MST', '0')", "Thu, 01 Jan 1970 12:00AM UTC"),
    ("unix_time()", 1642091410),
    ("unixtime(-10)", 1642091400),
    ("to_unix_time('1642091410')", 1642091410),
    ("to_unix_time(when)", 1642091410),
    ("to_unix_time('13-01-2022 16:30', '02-01-2006 15:04')", 1642091400),
    ("wait_for(2)", True),
    ("ip_format('127.0.0.1', '1')", "127.0.0.1"),
    ("ip_format('127.0.0.1', 2)", "127.1"),
    ("ip_format('127.0.0.1', '3')", "0177.0.0.01"),
    ("ip_format('127.0.0.1', 4)", "0x7f.0x0.0x0.0x1"),
    ("ip_format('127.0.0.1', '5')", "281472812449793"),
    ("ip_format('127.0.0.1', 8)", "::ffff:7f00:0001"),
    ("ip_format('127.0.1.0', '11')", "127.0.256"),
    ("ip_format('::1', 1)", "::1"),
    ("getNetworkPort('443', '22')", "22"),
    ("getNetworkPort('2222', '22')", "2222"),
    ("print_debug('a')", True),
]  # fmt: skip

VARIABLES: dict[str, object] = {
    "text": " \tHello\n",
    "lines": "Hi\nHello\nworld",
    "when": "2022-01-13T17:30:10+01:00",
    "hidden": '{"' + "]" * 3000 + '":' + "[" * 2000 + "]" * 2000 + "}",
}


@dataclass
class World:
    """A world that stands still and remembers what it waited for."""

    waited: list[float] = field(default_factory=list)

    def ambient(self, seed: int = 1) -> Ambient:
        return Ambient(now=lambda: NOW, chance=random.Random(seed), wait=self.waited.append)


def run(expression: str, **variables: object) -> object:
    value = compile_expression(expression).run({**VARIABLES, **variables}, World().ambient())
    return value.decode() if isinstance(value, bytes) else value


def plain(value: object) -> object:
    return (
        [item.decode() if isinstance(item, bytes) else item for item in value]
        if isinstance(value, tuple)
        else value
    )


@pytest.mark.parametrize(("expression", "expected"), GOLDEN)
def test_golden(expression: str, expected: object) -> None:
    assert plain(run(expression)) == expected


def test_every_function_of_the_language_is_known_and_tested() -> None:
    assert len(ALL) == 96
    used = {name for expression, _ in GOLDEN for name in compile_expression(expression).calls}
    elsewhere = {"zip", "aes_gcm", "rsa_encrypt", "rand_char", "rand_base", "rand_text_alphanumeric", "rand_text_alpha",
                 "rand_text_numeric", "rand_int", "rand_ip", "zlib", "resolve", "jarm"}  # fmt: skip
    assert {function.name for function in ALL} - used - elsewhere == set(REASONS)


@pytest.mark.parametrize("name", sorted(REASONS))
def test_what_is_not_offered_says_why(name: str) -> None:
    with pytest.raises(FunctionRefused, match="not built"):
        evaluate(f"{name}('a', 'b', 'c')", {})


@pytest.mark.parametrize("expression", ["resolve('a.test')", "resolve('a.test', 'MX')", "jarm('a.test:443')"])
def test_what_asks_the_network_needs_a_running_template(expression: str) -> None:
    with pytest.raises(FunctionRefused, match="only a running template may"):
        evaluate(expression, {})


@pytest.mark.parametrize(
    "expression",
    ["resolve('')", "resolve('a b')", "resolve('a.test', 'zone')", "jarm('')", "jarm('\u00fc.test')", "jarm()"],
)
def test_what_is_no_name_is_not_asked_for(expression: str) -> None:
    with pytest.raises(DslError) as told:
        evaluate(expression, {})
    assert not isinstance(told.value, FunctionRefused)


def test_names_without_underscores_work_too() -> None:
    for name, function in FUNCTIONS.items():
        assert name in (function.name, function.name.replace("_", ""))
    assert evaluate("trimspace(' a ')", {}) == "a"


@pytest.mark.parametrize(
    "expression",
    [
        "hmac('sha1', 1, 'k')", "hmac('md4', 'a', 'k')", "aes_cbc('a', 'short', 'b')", "aes_gcm('short', 'a')", "gzip(1)",
        "zlib(1)", "deflate(true)", "generate_jwt(1, 'HS256')", "generate_jwt('[]', 'HS256')", "zip('a', 1)", "zip('a')",
        "generate_jwt('{}', 'RS256', 'k')", "generate_jwt('{}', 'XX')", "rand_ip(1)", "rand_ip('x')", "rand_base('5')",
        "rand_int(5, 5)", "rand_text_numeric(5, '0123456789')", "index('a', 1)", "index('a', -1)", "substr('', 0)",
        "substr('abc', 2, 1)", "substr('abc', 4)", "repeat('a', -1)", "repeat('a', 'x')", "padding('a', '', 3, 'prefix')",
        "padding('a', 'b', 3, 'middle')", "join(',', 'a')", "join(',', split('a', ','), 'b')", "to_number('x')",
        "to_number('1_0')", "dec_to_hex('1')", "hex_to_dec('xyz')", "bin_to_dec(2)", "xor('a', 'bc')", "xor(1, 2)",
        "base64_decode('!')", "hex_decode('abc')", "gzip_decode('x')", "inflate('x')", "gzip_mtime('x')",
        "zlib_decode(substr(zlib('Hello'), 0, 5))", "unpack('>IIII', 'a')", "unpack('I', 'a')", "unpack('9s', 'a')",
        "json_minify('[1]')", "json_minify('x')", "json_prettify('{')", "rsa_encrypt('a', 'b')", "date_time('%Q')",
        "date_time('%Y', 99999999999999999)", "to_unix_time('x')", "to_unix_time('13-01', '02-01-2006')", "wait_for(1000)",
        "wait_for('1')", "ip_format('x', 1)", "ip_format('127.0.0.1', 12)", "ip_format('127.0.0.1', 11)",
        "ip_format('::1', 3)", "compare_versions('abc', '<1')", "compare_versions('1', 'x')", "compare_versions('1', '')",
        "json_minify(repeat('[', 5000))", "json_minify(hidden)", "json_minify('[NaN]')", "regex('a{2000}', 'a')",
    ],
)  # fmt: skip
def test_wrong_arguments_are_errors(expression: str) -> None:
    with pytest.raises(DslError):
        run(expression)


def test_chance_stays_within_what_was_asked() -> None:
    for seed in range(30):
        ambient = World().ambient(seed)

        def got(expression: str, ambient: Ambient = ambient) -> bytes:
            value = compile_expression(expression).run({}, ambient)
            assert isinstance(value, bytes)
            return value

        assert set(got("rand_base(10)")) <= set((string.ascii_letters + string.digits).encode())
        assert set(got("rand_base(50, 'abc')")) <= set(b"abc")
        assert len(got("rand_base(7, '')")) == 7
        assert not set(got("rand_text_alpha(50, 'abc')")) & set(b"abc0123456789")
        assert set(got("rand_text_numeric(50, 123)")) <= set(b"0456789")
        assert got("rand_text_alphanumeric(5)").isalnum()
        assert got("rand_char('a')") == b"a"
        assert got("rand_ip('192.168.0.0/24')").startswith(b"192.168.0.")
        number = compile_expression("rand_int(5, 9)").run({}, ambient)
        assert isinstance(number, float)
        assert 5 <= number < 9


def test_two_calls_differ_and_one_seed_repeats() -> None:
    assert evaluate("rand_base(20) == rand_base(20)", {}) is False
    first, again = (compile_expression("rand_base(20)").run({}, World().ambient(7)) for _ in range(2))
    assert first == again


def test_waiting_is_done_by_the_ambient() -> None:
    world = World()
    assert compile_expression("wait_for(3)").run({}, world.ambient()) is True
    assert world.waited == [3.0]


def test_zip_holds_what_was_given_and_is_the_same_each_time() -> None:
    program = compile_expression("zip('a/../b.txt', 'one', 'c', two)")
    first = program.run({"two": b"\x00\xff"})
    assert isinstance(first, bytes)
    assert first == program.run({"two": b"\x00\xff"})
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            "a/../b.txt": b"one",
            "c": b"\x00\xff",
        }


def test_aes_gcm_puts_the_nonce_first() -> None:
    key = b"k" * 16
    sealed = compile_expression("aes_gcm(key, 'hello')").run({"key": key})
    assert isinstance(sealed, bytes)
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], None) == b"hello"


def test_rsa_encrypt_can_be_decrypted() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sealed = evaluate("rsa_encrypt('hello', pem)", {"pem": pem})
    assert isinstance(sealed, str)
    assert key.decrypt(base64.b64decode(sealed), padding.PKCS1v15()) == b"hello"


def test_jwt_without_signature_and_with_expiry() -> None:
    assert evaluate("generate_jwt('{}', 'None')", {}) == "eyJhbGciOiJOb25lIiwidHlwIjoiSldUIn0.e30."
    token = run("generate_jwt('{\"a\":1}', 'HS256', 'k', 1642095010)")
    assert isinstance(token, str)
    assert base64.urlsafe_b64decode(token.split(".")[1] + "==") == b'{"a":1,"iat":1642091410,"exp":1642095010}'


def test_base64_py_breaks_lines_like_the_favicon_hash_needs() -> None:
    body = bytes(range(256))
    shown = evaluate("base64_py(body)", {"body": body})
    assert isinstance(shown, str)
    assert [len(line) for line in shown.split("\n")] == [76, 76, 76, 76, 40, 0]
    assert evaluate("len(zlib(body)) > 0", {"body": body}) is True


def test_a_decompression_bomb_ends_at_ten_megabytes() -> None:
    body = evaluate("gzip(body)", {"body": bytes(10 * 1024 * 1024)})
    doubled = compile_expression("len(gzip_decode(body))").run({"body": body})
    assert doubled == 10 * 1024 * 1024
