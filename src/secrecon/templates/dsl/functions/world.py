"""Functions of chance, time and addresses. Chance and time come from the run's ambient, never from a module."""

from __future__ import annotations

import datetime
import ipaddress
import math
import string
from collections.abc import Callable

import re2

from secrecon.templates.dsl.functions.declare import Function, fixed, ranged
from secrecon.templates.dsl.golayout import DEFAULT_LAYOUTS, MAX_LAYOUT, format_date, parse_date
from secrecon.templates.dsl.run import MAX_WAIT, Run
from secrecon.templates.dsl.values import Value, number_of, text_of, text_only, whole
from secrecon.templates.errors import DslError, OverLimit

_ALNUM = (string.ascii_letters + string.digits).encode()
_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()
_MAX_INT32 = (1 << 31) - 1
MAX_RANDOM = 1024 * 1024
_SIMPLE = re2.compile("%([A-Za-z])")
_SHARED_PORTS = frozenset({"80", "443", "8080", "8443", "8081", "53"})


def _random(run: Run, chars: bytes, length: int) -> bytes:
    if not 0 <= length <= MAX_RANDOM:
        raise DslError(f"random text of {length} characters; at most {MAX_RANDOM} are made")
    if not chars:
        raise DslError("no characters are left to choose from")
    run.allow(length)
    return bytes(run.ambient.chance.choices(chars, k=length))


def _rand_char(run: Run, chars: Value = b"") -> Value:
    wanted = text_of(chars)
    return _random(run, wanted if wanted.strip() else _ALNUM, 1)


def _rand_base(run: Run, length: Value, chars: Value = b"") -> Value:
    wanted = text_of(chars)
    return _random(run, wanted if wanted.strip() else _ALNUM, int(_finite(length)))


def _rand_text(chars: bytes) -> Callable[..., Value]:
    def make(run: Run, length: Value, unwanted: Value = b"") -> Value:
        left = bytes(char for char in chars if char not in text_of(unwanted))
        return _random(run, left, int(_finite(length)))

    return make


def _finite(value: Value) -> float:
    number = number_of(value, "a length or bound")
    if not math.isfinite(number) or abs(number) > 1 << 53:
        raise DslError("a length or bound is out of range")
    return number


def _rand_int(run: Run, least: Value = 0.0, most: Value = float(_MAX_INT32)) -> Value:
    """From `least` up to, not including, `most`."""
    low, high = int(_finite(least)), int(_finite(most))
    if high <= low:
        raise DslError("rand_int needs a bound above its start")
    return float(run.ambient.chance.randrange(low, high))


def _rand_ip(run: Run, *networks: Value) -> Value:
    chosen = text_only(run.ambient.chance.choice(networks), "a network of rand_ip").decode("latin-1")
    try:
        network = ipaddress.ip_network(chosen, strict=False)
    except ValueError as error:
        raise DslError(f"not a network: {chosen[:60]}") from error
    return str(network[run.ambient.chance.randrange(network.num_addresses)]).encode()


def _moment(run: Run, value: Value) -> datetime.datetime:
    seconds = run.ambient.now() if value is None else float(whole(value, "the time"))
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DslError("the time is out of range") from error


def _date_time(run: Run, layout: Value, seconds: Value = None) -> Value:
    """`%Y %M %D %H %m %S` (month is M, minute is m), else a Go layout. UTC."""
    shown = text_of(layout).decode("utf-8", "replace")
    if len(shown) > MAX_LAYOUT:
        raise DslError("the layout of date_time is too long")
    moment = _moment(run, seconds)
    if not _SIMPLE.search(shown):
        return format_date(shown, moment).encode()
    parts = {
        "Y": moment.year, "M": moment.month, "D": moment.day, "H": moment.hour, "m": moment.minute, "S": moment.second,
    }  # fmt: skip

    written: list[str] = []
    end = 0
    for found in _SIMPLE.finditer(shown):
        if found.group(1) not in parts:
            raise DslError(f"date_time knows %Y %M %D %H %m %S, not {found.group()}")
        written += (shown[end : found.start()], f"{parts[found.group(1)]:02}")
        end = found.end()
    return ("".join(written) + shown[end:]).encode()


def _unix_time(run: Run, offset: Value = 0.0) -> Value:
    return float(math.floor(run.ambient.now()) + int(_finite(offset)))


def _to_unix_time(_: Run, value: Value, layout: Value = None) -> Value:
    shown = text_of(value).decode("utf-8", "replace")
    try:
        number = float(shown) if len(shown) < 40 and "_" not in shown else math.nan
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return float(int(number))
    layouts = DEFAULT_LAYOUTS if layout is None else (text_of(layout).decode("utf-8", "replace"),)
    for each in layouts:
        seconds = parse_date(each, shown)
        if seconds is not None:
            return float(seconds)
    raise DslError(f"{shown[:40]} is not a date in a known layout")


def _wait_for(run: Run, seconds: Value) -> Value:
    asked = number_of(seconds, "the seconds of wait_for")
    if not 0 <= asked <= MAX_WAIT:
        raise OverLimit(f"wait_for takes 0 to {MAX_WAIT:.0f} seconds")
    run.ambient.wait(float(int(asked)))
    return True


def _ip_format(run: Run, address: Value, style: Value) -> Value:
    number = whole(style, "the format of ip_format")
    try:
        ip = ipaddress.ip_address(text_of(address).decode("latin-1").strip())
    except ValueError as error:
        raise DslError("ip_format needs an IP address") from error
    if not 1 <= number <= 11:
        raise DslError("the format of ip_format is 1 to 11")
    if isinstance(ip, ipaddress.IPv6Address):
        return _ip6_format(ip, number, text_of(address))
    a, b, c, d = ip.packed
    if number == 11 and d != 0:
        raise DslError("ip_format 11 needs an address that ends in 0")
    return {
        1: lambda: str(ip),
        2: lambda: ".".join(str(part) for part in (a, b, c, d) if part) or "0",
        3: lambda: ".".join(
            ["0" + f"{a:o}".rjust(3, "0"), *("0" + f"{part:o}" if part else "0" for part in (b, c, d))]
        ),
        4: lambda: f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        5: lambda: str(int(ip) | 0xFFFF << 32),
        6: lambda: f"{int(ip) | 0xFFFF << 32:b}",
        7: lambda: f"{a:#x}.{b}.{'0' + format(c, 'o') if c else '0'}.{d:#x}",
        8: lambda: f"::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}",
        9: lambda: "".join(f"%{byte:02X}" for byte in text_of(address)),
        10: lambda: ".".join(str(part).rjust(3, "0") for part in (a, b, c, d)),
        11: lambda: f"{a}.{b}.{c + 255}",
    }[number]().encode()


def _ip6_format(ip: ipaddress.IPv6Address, number: int, written: bytes) -> bytes:
    shown = {
        1: str(ip),
        5: str(int(ip)),
        6: f"{int(ip):b}",
        8: str(ip),
        9: "".join(f"%{byte:02X}" for byte in written),
    }
    if number not in shown:
        raise DslError(f"ip_format {number} is for IPv4 addresses")
    return shown[number].encode()


def _network_port(_: Run, port: Value, fallback: Value) -> Value:
    """The port to use: the target's, unless it is one that belongs to the web or to DNS."""
    shown = text_of(port)
    return text_of(fallback) if not shown or shown.decode("latin-1") in _SHARED_PORTS else shown


WORLD: tuple[Function, ...] = (
    ranged("rand_char", 0, 1, _rand_char),
    ranged("rand_base", 1, 2, _rand_base),
    ranged("rand_text_alphanumeric", 1, 2, _rand_text(_ALNUM)),
    ranged("rand_text_alpha", 1, 2, _rand_text(_LETTERS)),
    ranged("rand_text_numeric", 1, 2, _rand_text(_DIGITS)),
    ranged("rand_int", 0, 2, _rand_int),
    ranged("rand_ip", 1, None, _rand_ip),
    ranged("date_time", 1, 2, _date_time),
    ranged("unix_time", 0, 1, _unix_time),
    ranged("to_unix_time", 1, 2, _to_unix_time),
    fixed("wait_for", 1, _wait_for),
    fixed("ip_format", 2, _ip_format),
    fixed("getNetworkPort", 2, _network_port),
    ranged("print_debug", 1, None, lambda run, *values: True),
)
