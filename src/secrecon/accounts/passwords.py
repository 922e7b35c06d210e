"""Passwords: which are accepted (NIST SP 800-63B-4: length and a blocklist, no composition rules) and how they are kept
(argon2id, RFC 9106). Hashing costs time and memory on purpose, so it runs in threads, few at once.
"""

from __future__ import annotations

import asyncio
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from secrecon.model.errors import BadInput

MIN_LENGTH = 12
MAX_LENGTH = 1024
AT_ONCE = 2
_UNIT = 8
_BLOCKED = frozenset(
    {
        "123456789012",
        "1234567890ab",
        "1q2w3e4r5t6y",
        "abcdefghijkl",
        "administrator",
        "adminadmin123",
        "changeme1234",
        "changemeplease",
        "correcthorsebatterystaple",
        "iloveyou1234",
        "letmein12345",
        "letmeinplease",
        "password1234",
        "password12345",
        "passwordpassword",
        "qwerty123456",
        "qwertyuiop12",
        "qwertyuiopasdf",
        "trustno1trustno1",
        "welcome12345",
    }
)
_WORDS = ("secrecon", "password", "passw0rd")


def check_password(password: str, email: str) -> None:
    """Raise BadInput, saying why, for a password that must not be used."""
    text = _normal(password)
    if len(text) < MIN_LENGTH:
        raise BadInput(f"the password is shorter than {MIN_LENGTH} characters: use a longer phrase", "password")
    if len(password) > MAX_LENGTH:
        raise BadInput(f"the password is longer than {MAX_LENGTH} characters", "password")
    low = text.casefold()
    local = email.casefold().partition("@")[0]
    if email.casefold() in low or (len(local) >= 4 and local in low and len(low) - len(local) < MIN_LENGTH):
        raise BadInput("the password is built on the email address: choose something unrelated", "password")
    if low in _BLOCKED or _repeats(low) or any(low.strip("0123456789!.-_ ") == word for word in _WORDS):
        raise BadInput("the password is one that attackers try first: choose another", "password")


class Passwords:
    """Hashes and verifies. `hasher`: argon2-cffi's, with its recommended costs unless told otherwise."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """What to store."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the stored one. `stored` None (no such user) takes as long and is False."""
        if len(password) > MAX_LENGTH:
            return False
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        async with self._turn:
            right = await asyncio.to_thread(self._verify, stored or self._nobody, _normal(password))
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other costs than today's, and should be made anew at the next sign-in."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _normal(password: str) -> str:
    text = unicodedata.normalize("NFKC", password)
    return text.encode("utf-8", "replace").decode("utf-8")


def _repeats(text: str) -> bool:
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, _UNIT + 1))
