"""Functions over text and lists: searching, cutting, joining, case.

Text is bytes. What the reference does per character (reverse, sort, case) is done per UTF-8 character, and bytes that
are not UTF-8 stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable

from secrecon.templates.dsl.functions.declare import Function, fixed, ranged
from secrecon.templates.dsl.run import MAX_OUTPUT, Run
from secrecon.templates.dsl.values import Value, number_of, same, text_of, text_only, whole
from secrecon.templates.errors import DslError
from secrecon.templates.patterns import compile_pattern
from secrecon.templates.sieve import SIEVE, holds

_SPACE = " \t\n\v\f\r\x85\xa0"


def _chars(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _bytes(chars: str) -> bytes:
    return chars.encode("utf-8", "surrogateescape")


def _length(_: Run, value: Value) -> Value:
    return float(len(value) if isinstance(value, tuple | bytes) else len(text_of(value)))


def _index(_: Run, value: Value, position: Value) -> Value:
    at = whole(position, "the index")
    items = value if isinstance(value, tuple) else text_of(value)
    if not 0 <= at < len(items):
        raise DslError(f"the index {at} is outside of {len(items)}")
    return items[at] if isinstance(items, tuple) else items[at : at + 1]


def _upper(_: Run, value: Value) -> Value:
    text = text_of(value)
    return text.upper() if text.isascii() else _bytes(_chars(text).upper())


def _lower(_: Run, value: Value) -> Value:
    text = text_of(value)
    return SIEVE.lowered(text) if text.isascii() else _bytes(_chars(text).lower())


def _title(_: Run, value: Value, language: Value = None) -> Value:
    parts: list[str] = []
    inside = False
    for char in _chars(text_of(value)):
        parts.append(char.lower() if inside else char.upper())
        inside = char.isalnum() or char == "_" or (inside and char in "'’.")
    return _bytes("".join(parts))


def _sort(_: Run, *values: Value) -> Value:
    if len(values) == 1:
        return _bytes("".join(sorted(_chars(text_of(values[0])))))
    return tuple(sorted(text_of(value) for value in values))


def _uniq(_: Run, *values: Value) -> Value:
    if len(values) == 1:
        return _bytes("".join(dict.fromkeys(_chars(text_of(values[0])))))
    return tuple(dict.fromkeys(text_of(value) for value in values))


def _repeat(run: Run, value: Value, times: Value) -> Value:
    text, count = text_of(value), whole(times, "the count of repeat")
    if count < 0:
        raise DslError("the count of repeat must not be negative")
    run.allow(len(text) * count)
    return text * (count if text else 0)


def _replace(run: Run, value: Value, old: Value, new: Value) -> Value:
    text, before, after = text_of(value), text_of(old), text_of(new)
    if not before and not after:
        return text
    if not before:
        pieces = list(_chars(text))
        run.allow(len(text) + len(after) * (len(pieces) + 1))
        return after + b"".join(_bytes(piece) + after for piece in pieces)
    run.allow(len(text) + max(0, len(after) - len(before)) * text.count(before))
    return text.replace(before, after)


def _trimmed(cut: Callable[[str, str], str]) -> Callable[[Run, Value, Value], Value]:
    def trim(_: Run, value: Value, cutset: Value) -> Value:
        chars = _chars(text_of(cutset))
        return _bytes(cut(_chars(text_of(value)), chars)) if chars else text_of(value)

    return trim


def _trim_space(_: Run, value: Value) -> Value:
    return _bytes(_chars(text_of(value)).strip(_SPACE + "\u1680\u2028\u2029\u202f\u205f\u3000"))


def _each(test: Callable[[bytes, bytes], bool]) -> Callable[..., Value]:
    """Whether `test` holds for any of the further arguments."""

    def any_of(_: Run, value: Value, *others: Value) -> Value:
        text = text_of(value)
        return any(test(text, text_of(other)) for other in others)

    return any_of


def _any_line(test: Callable[[bytes, bytes], bool]) -> Callable[..., Value]:
    def any_of(_: Run, value: Value, *others: Value) -> Value:
        text = text_of(value)
        wanted = tuple(other for other in map(text_of, others) if holds(text, other))
        return bool(wanted) and any(test(line, other) for line in text.split(b"\n") for other in wanted)

    return any_of


def _contains_all(_: Run, value: Value, *others: Value) -> Value:
    text = text_of(value)
    return all(holds(text, text_of(other)) for other in others)


def _equals_any(_: Run, value: Value, *others: Value) -> Value:
    text = text_of(value)
    return any(same(text, text_of(other)) for other in others)


def _split(run: Run, value: Value, by: Value, limit: Value = None) -> Value:
    text, separator = text_of(value), text_of(by)
    run.allow(8 * len(text))
    if limit is not None:
        return _split_at(text, separator, whole(limit, "the count of split"))
    try:
        size = whole(by, "the size of split")
    except DslError:
        return _split_at(text, separator, -1)
    if size <= 0 or size >= len(text):
        return (text,)
    chars = _chars(text)
    return tuple(_bytes(chars[at : at + size]) for at in range(0, len(chars), size))


def _split_at(text: bytes, separator: bytes, count: int) -> Value:
    if count == 0:
        return ()
    if separator:
        return tuple(text.split(separator, count - 1 if count > 0 else -1))
    chars = _chars(text)
    cut = len(chars) if count < 0 else min(count - 1, len(chars))
    pieces = [_bytes(char) for char in chars[:cut]]
    return tuple([*pieces, _bytes(chars[cut:])] if cut < len(chars) else pieces)


def _join(run: Run, separator: Value, *items: Value) -> Value:
    if len(items) == 1:
        if not isinstance(items[0], tuple):
            raise DslError("join needs a list, or two values or more")
        items = items[0]
    elif any(isinstance(item, tuple) for item in items):
        raise DslError("join takes one list, or values that are no lists")
    glue, texts = text_of(separator), [text_of(item) for item in items]
    run.allow(len(glue) * len(texts) + sum(map(len, texts)))
    return glue.join(texts)


def _concat(run: Run, *values: Value) -> Value:
    texts = [text_of(value) for value in values]
    run.allow(sum(map(len, texts)))
    return b"".join(texts)


def _substr(_: Run, value: Value, first: Value, last: Value = None) -> Value:
    text, start = text_of(value), whole(first, "the start of substr")
    if not text:
        raise DslError("substr of empty text")
    end = len(text) if last is None else whole(last, "the end of substr")
    if not 0 <= start <= end <= len(text):
        raise DslError(f"substr from {start} to {end} is outside of {len(text)} bytes")
    return text[start:end]


def _padding(run: Run, value: Value, fill: Value, length: Value, side: Value) -> Value:
    text, filler, size = text_of(value), text_of(fill), whole(length, "the length of padding")
    if size <= 0 or not filler:
        raise DslError("padding needs a length above 0 and something to fill with")
    if len(text) >= size:
        return text
    if side not in (b"prefix", b"suffix"):
        raise DslError("the last argument of padding is 'prefix' or 'suffix'")
    run.allow(size)
    missing = size - len(text)
    filled = (filler * (missing // len(filler) + 1))[:missing]
    return filled + text if side == b"prefix" else text + filled


def _without(_: Run, value: Value, unwanted: Value) -> Value:
    """All of the characters taken out."""
    return _bytes(_chars(text_of(value)).translate(dict.fromkeys(map(ord, _chars(text_of(unwanted))))))


def _regex(_: Run, pattern: Value, text: Value) -> Value:
    return compile_pattern(text_of(pattern)).found_in(text_of(text))


def _regex_all(_: Run, pattern: Value, *texts: Value) -> Value:
    compiled = compile_pattern(text_of(pattern))
    return all(compiled.found_in(text_of(text)) for text in texts)


def _regex_any(_: Run, pattern: Value, *texts: Value) -> Value:
    compiled = compile_pattern(text_of(pattern))
    return any(compiled.found_in(text_of(text)) for text in texts)


def _replace_regex(_: Run, value: Value, pattern: Value, new: Value) -> Value:
    return compile_pattern(text_of(pattern)).replace(text_of(value), text_of(new), MAX_OUTPUT)


def _to_number(_: Run, value: Value) -> Value:
    shown = text_of(value)
    digits = shown.lstrip(b"+-") if shown[:1] in (b"+", b"-") and shown[1:2] not in (b"+", b"-") else shown
    mantissa, _mark, power = digits.partition(b"e") if b"e" in digits else digits.partition(b"E")
    left, _dot, right = mantissa.partition(b".")
    unsigned = power[1:] if power[:1] in (b"+", b"-") else power
    plain = (left + right).isdigit() and (not _mark or unsigned.isdigit())
    if not plain or len(shown) > 400:
        raise DslError(f"{shown[:40].decode('utf-8', 'replace')} is not a number")
    return float(shown)


def _to_bool(_: Run, value: Value) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value != 0
    return text_of(value).lower() in (b"true", b"t", b"1", b"yes", b"y", b"on")


def _count(_: Run, value: Value, part: Value) -> Value:
    text, wanted = text_of(value), text_of(part)
    return float(text.count(wanted) if wanted else len(_chars(text)) + 1)


def _dec_to_hex(_: Run, value: Value) -> Value:
    return b"%x" % whole(number_of(value, "the argument of dec_to_hex"), "the argument of dec_to_hex")


def _based(prefix: bytes, base: int) -> Callable[[Run, Value], Value]:
    def convert(_: Run, value: Value) -> Value:
        shown = text_of(value)
        digits = shown[2:] if shown.startswith(prefix) else shown
        try:
            number = int(digits, base) if len(digits) <= 65 and b"_" not in digits else None
        except ValueError:
            number = None
        if number is None or not -(1 << 63) <= number < 1 << 63:
            raise DslError(f"{shown[:40].decode('utf-8', 'replace')} is not a number in base {base}")
        return float(number)

    return convert


def _xor(_: Run, *values: Value) -> Value:
    texts = [text_only(value, "each argument of xor") for value in values]
    if len({len(text) for text in texts}) != 1:
        raise DslError("all arguments of xor must have the same length")
    mixed = 0
    for text in texts:
        mixed ^= int.from_bytes(text, "big")
    return mixed.to_bytes(len(texts[0]), "big")


TEXT: tuple[Function, ...] = (
    fixed("len", 1, _length),
    fixed("index", 2, _index),
    fixed("to_upper", 1, _upper),
    fixed("to_lower", 1, _lower),
    ranged("to_title", 1, 2, _title),
    ranged("sort", 1, None, _sort),
    ranged("uniq", 1, None, _uniq),
    fixed("repeat", 2, _repeat),
    fixed("replace", 3, _replace),
    fixed("replace_regex", 3, _replace_regex),
    fixed("trim", 2, _trimmed(str.strip)),
    fixed("trim_left", 2, _trimmed(str.lstrip)),
    fixed("trim_right", 2, _trimmed(str.rstrip)),
    fixed("trim_space", 1, _trim_space),
    fixed("trim_prefix", 2, lambda run, value, part: text_of(value).removeprefix(text_of(part))),
    fixed("trim_suffix", 2, lambda run, value, part: text_of(value).removesuffix(text_of(part))),
    fixed("reverse", 1, lambda run, value: _bytes(_chars(text_of(value))[::-1])),
    fixed("contains", 2, lambda run, value, part: holds(text_of(value), text_of(part))),
    ranged("contains_all", 1, None, _contains_all),
    ranged("contains_any", 1, None, _each(lambda text, other: other in text)),
    ranged("starts_with", 2, None, _each(bytes.startswith)),
    ranged("ends_with", 2, None, _each(bytes.endswith)),
    ranged("line_starts_with", 2, None, _any_line(bytes.startswith)),
    ranged("line_ends_with", 2, None, _any_line(bytes.endswith)),
    ranged("equals_any", 2, None, _equals_any),
    ranged("concat", 0, None, _concat),
    ranged("split", 2, 3, _split),
    ranged("join", 2, None, _join),
    ranged("substr", 2, 3, _substr),
    fixed("padding", 4, _padding),
    fixed("remove_bad_chars", 2, _without),
    fixed("regex", 2, _regex),
    ranged("regex_all", 2, None, _regex_all),
    ranged("regex_any", 2, None, _regex_any),
    fixed("to_number", 1, _to_number),
    fixed("to_string", 1, lambda run, value: text_of(value)),
    fixed("to_bool", 1, _to_bool),
    ranged("count", 2, 2, _count),
    fixed("dec_to_hex", 1, _dec_to_hex),
    fixed("hex_to_dec", 1, _based(b"0x", 16)),
    fixed("oct_to_dec", 1, _based(b"0o", 8)),
    fixed("bin_to_dec", 1, _based(b"0b", 2)),
    ranged("xor", 2, None, _xor),
)
