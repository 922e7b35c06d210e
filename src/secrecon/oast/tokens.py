"""Callback tokens: 33 lower-case letters and digits that name one probe, and the text that proves a fetch.

A token is a 20-character correlation part and a 13-character nonce, the lengths of the Interactsh protocol. Names
arrive in any case (resolvers play with it, "0x20") and with other text glued on, so a token is looked for in every
33-character window. Randomness is passed in. Nothing here knows which tokens were really handed out.
"""

from __future__ import annotations

import hashlib
import random
import re
import zlib

CORRELATION_LENGTH = 20
NONCE_LENGTH = 13
TOKEN_LENGTH = CORRELATION_LENGTH + NONCE_LENGTH
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
OWN_PREFIX = "selftest"
"""How the correlation part (or, in a session on a server, the nonce) of our own canaries begins, so that any process
knows them without asking."""

CHECK_LENGTH = 3
MAX_TOKENS = 64
MAX_TEXT = 16_384
_WORD = re.compile(f"[A-Za-z0-9]{{{TOKEN_LENGTH},}}")


def new_token(source: random.Random, *, own: bool = False) -> str:
    """A fresh token. `source` is a random.SystemRandom in production. `own`: a canary of our self-test."""
    prefix = OWN_PREFIX if own else ""
    drawn = prefix + "".join(source.choice(ALPHABET) for _ in range(TOKEN_LENGTH - CHECK_LENGTH - len(prefix)))
    return drawn + _check(drawn)


def is_minted(token: str) -> bool:
    """Whether a token may be one of `new_token`: its last letters follow from the others. Anybody can make such a token;
    that a window of some longer word looks like one by chance is one in 46,656."""
    return token[-CHECK_LENGTH:] == _check(token[:-CHECK_LENGTH])


def _check(text: str) -> str:
    rest, letters = zlib.crc32(text.encode("ascii", "replace")), ""
    for _ in range(CHECK_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        letters += ALPHABET[digit]
    return letters


def is_own(token: str) -> bool:
    """True for a canary of a self-test: a hit on it proves nothing about a target."""
    return token.startswith(OWN_PREFIX) or token.startswith(OWN_PREFIX, CORRELATION_LENGTH)


def new_correlation(source: random.Random) -> str:
    """A fresh correlation id."""
    return "".join(source.choice(ALPHABET) for _ in range(CORRELATION_LENGTH))


def new_nonce(source: random.Random, *, own: bool = False) -> str:
    """A fresh nonce for a session's payload. `own`: of a canary."""
    prefix = OWN_PREFIX if own else ""
    return prefix + "".join(source.choice(ALPHABET) for _ in range(NONCE_LENGTH - len(prefix)))


def is_token(text: str) -> bool:
    """True where `text` is exactly one token."""
    return len(text) == TOKEN_LENGTH and set(text) <= set(ALPHABET)


def find_tokens(text: str, limit: int = MAX_TOKENS) -> tuple[str, ...]:
    """Every 33-character window of letters and digits in `text`, lower-cased, each once, at most `limit`.

    Words of exactly the right length come first: they are nearly always the real ones. Only the first 16,384
    characters are looked at.
    """
    exact: dict[str, None] = {}
    glued: dict[str, None] = {}
    for word in _words(text[:MAX_TEXT]):
        if len(word) == TOKEN_LENGTH:
            exact.setdefault(word)
            continue
        for start in range(min(len(word) - TOKEN_LENGTH + 1, limit)):
            glued.setdefault(word[start : start + TOKEN_LENGTH])
        if len(exact) + len(glued) > 4 * limit:
            break
    return tuple({**exact, **glued})[:limit]


def _words(text: str) -> list[str]:
    """The maximal runs of ASCII letters and digits that are long enough to hold a token, lower-cased."""
    return [word.lower() for word in _WORD.findall(text)]


def proof_in(token: str, body: bytes) -> str:
    """What in `body` shows that somebody fetched our page for `token`: the listener's marker, or the token backwards, which
    is what callback servers answer; "" for neither."""
    return next((text for text in (marker(token), token[::-1]) if text.encode("ascii") in body), "")


def marker(token: str) -> str:
    """What our listener answers a fetch of `token` with.

    Whoever merely repeats the URL cannot produce it, so a target whose reply holds it has fetched our page and
    handed back what it read.
    """
    return "srm" + hashlib.sha256(b"secrecon reflection " + token.encode("ascii", "replace")).hexdigest()[:29]
