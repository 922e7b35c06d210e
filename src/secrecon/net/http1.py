"""Reading one HTTP/1 response from bytes as they arrive: sans-I/O, incremental, bounded, tolerant (RFC 9112).

Any split of the same bytes reads the same. Memory is bounded by the limits whatever the peer sends: the head, each
chunk line, the trailers, the body as received and the body as decoded each have a cap. A body that runs into its
cap ends the reply there (`truncated`); only what cannot be read as HTTP at all raises ProtocolBroken.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.errors import ProtocolBroken
from secrecon.net.content import decode
from secrecon.net.head import Head, looks_like_http, read_head


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps in bytes, except `interim`: how many 1xx responses are skipped."""

    head: int = 65_536
    body: int = 2_000_000
    chunk_line: int = 4_096
    trailers: int = 16_384
    interim: int = 8

    def with_body(self, body: int) -> Limits:
        """The same with another cap for the body."""
        if body == self.body:
            return self
        return Limits(self.head, body, self.chunk_line, self.trailers, self.interim)


# States. Plain integers: comparing enum members costs a tenth of reading a small reply.
_HEAD, _LENGTH, _CHUNK_SIZE, _CHUNK_DATA, _CHUNK_END, _TRAILERS, _UNTIL_CLOSE, _DONE = range(8)

NO_BODY = frozenset({204, 304})
_HEX = frozenset(b"0123456789abcdefABCDEF")
MAX_CHUNK_DIGITS = 15
MAX_LEADING = 64


class ReplyParser:
    """Feed it bytes until `done`; then `head`, `raw_head`, `raw_body` and `body()` tell what came.

    `reusable`: the connection may carry another request. `truncated`: the body is not whole.
    """

    __slots__ = (
        "_buffer",
        "_interim",
        "_limits",
        "_method",
        "_payload",
        "_raw",
        "_scanned",
        "_size",
        "_state",
        "_wanted",
        "_whole",
        "extra",
        "head",
        "raw_head",
        "truncated",
    )

    def __init__(self, method: str, limits: Limits) -> None:
        self._method = method
        self._limits = limits
        self._state = _HEAD
        self._buffer = bytearray()
        self._scanned = 0
        self._interim = 0
        self._wanted = 0
        self._raw = bytearray()
        self._whole: bytes | None = None
        self._payload: bytearray | None = None
        self._size = 0
        self.head: Head | None = None
        self.raw_head = b""
        self.truncated = False
        self.extra = False

    @property
    def done(self) -> bool:
        """True once the response is over."""
        return self._state == _DONE

    @property
    def reusable(self) -> bool:
        """True where the connection is in step and the peer keeps it open."""
        return (
            self.head is not None and self.head.persistent and not self.truncated and not self.extra and self.done
        )

    def feed(self, data: bytes) -> bool:
        """Take in bytes; True once the response is over. Raises ProtocolBroken."""
        state = self._state
        if state == _HEAD:
            return self._feed_whole_head(data) if not self._buffer else self._feed_head(data)
        if state == _LENGTH:
            self._feed_length(data)
        elif state == _UNTIL_CLOSE:
            self._keep(data, None)
        elif state == _DONE:
            self.extra = self.extra or bool(data)
        else:
            self._buffer += data
            self._run_chunks()
        return self._state == _DONE

    def eof(self, *, reset: bool = False) -> None:
        """The peer closed, or `reset`. Raises ProtocolBroken where no head had come; a body cut short is noted."""
        if self._state == _HEAD:
            raise ProtocolBroken("the connection was closed before the response head was complete", self.received)
        if self._state == _DONE:
            return
        if reset or self._state != _UNTIL_CLOSE:
            self._note("early-close")
            self.truncated = True
        if self.head is not None:
            self.head.persistent = False
        self._state = _DONE

    @property
    def received(self) -> bytes:
        """The bytes that had arrived, up to the caps: evidence where the exchange failed."""
        if self.head is None:
            return bytes(self._buffer)
        return self.raw_head + self.raw_body

    @property
    def raw_body(self) -> bytes:
        """The body's bytes as received, before any decoding."""
        return bytes(self._raw) if self._whole is None else self._whole

    def body(self) -> bytes:
        """The body after transfer and content decoding; notes what went wrong in the head's problems."""
        head = self.head
        assert head is not None
        payload = self.raw_body if self._payload is None else bytes(self._payload)
        if not head.codings:
            return payload
        body, cut, problems = decode(payload, head.codings, self._limits.body)
        self.truncated = self.truncated or cut
        for problem in problems:
            # A coded body that the cap cut off is short by our own doing.
            if not (self.truncated and problem.startswith("short-")):
                self._note(problem, in_step=True)
        return body

    def _note(self, problem: str, *, in_step: bool = False) -> None:
        """Write down what was forgiven; unless `in_step`, the connection is not trusted with another request."""
        assert self.head is not None
        if problem not in self.head.problems:
            self.head.problems.append(problem)
        if not in_step:
            self.head.persistent = False

    def _feed_whole_head(self, data: bytes) -> bool:
        """The common case, a head in one piece: no buffering. Anything else goes the long way, with the same result."""
        end = data.find(b"\n\r\n") + 3
        if end > 2 and data.startswith(b"HTTP") and end <= self._limits.head and data.find(b"\n\n", 0, end) < 0:
            raw = data[:end]
            head = read_head(raw)
            if head.status >= 200:
                self.head = head
                self.raw_head = raw
                self._begin_body(head)
                return self.feed(data[end:]) if end < len(data) else self._state == _DONE
        return self._feed_head(data)

    def _feed_head(self, data: bytes) -> bool:
        buffer = self._buffer
        buffer += data
        while True:
            end = self._head_end()
            if end < 0:
                return False
            raw = bytes(buffer[:end])
            head = read_head(raw)
            if 100 <= head.status < 200 and head.status != 101:
                self._interim += 1
                if self._interim > self._limits.interim:
                    raise ProtocolBroken(f"more than {self._limits.interim} interim responses", raw)
                del buffer[:end]
                self._scanned = 0
                continue
            rest = bytes(buffer[end:])
            buffer.clear()
            self._scanned = 0
            self.head = head
            self.raw_head = raw
            self._begin_body(head)
            return self.feed(rest) if rest else self._state == _DONE

    def _head_end(self) -> int:
        """Where the head ends: after the first empty line, whatever its line ends; -1 while it is not here yet."""
        buffer = self._buffer
        if not self._scanned:
            start = 0
            while start < len(buffer) and buffer[start] in b"\r\n":
                start += 1
                if start > MAX_LEADING:
                    raise ProtocolBroken("the reply begins with too many empty lines", self.received)
            first = bytes(buffer[start : start + 4])
            if not looks_like_http(first):
                raise ProtocolBroken("the reply is not HTTP", self.received[: self._limits.head])
            if len(first) < 4:
                return -1
            self._scanned = start + 1
        crlf = buffer.find(b"\n\r\n", self._scanned - 1)
        bare = buffer.find(b"\n\n", self._scanned - 1)
        end = min(crlf + 3 if crlf >= 0 else len(buffer) + 1, bare + 2 if bare >= 0 else len(buffer) + 1)
        if end <= len(buffer):
            self._check_head_size(end)
            return end
        self._check_head_size(len(buffer))
        self._scanned = max(self._scanned, len(buffer) - 2)
        return -1

    def _check_head_size(self, size: int) -> None:
        if size > self._limits.head:
            raise ProtocolBroken(
                f"the response head is longer than {self._limits.head} bytes", self.received[: self._limits.head]
            )

    def _begin_body(self, head: Head) -> None:
        if self._method == "HEAD" or head.status in NO_BODY or head.status == 101:
            self._state = _DONE
            head.persistent = head.persistent and head.status != 101
        elif head.chunked:
            self._payload = bytearray()
            self._state = _CHUNK_SIZE
        elif head.length == 0:
            self._state = _DONE
        elif head.length > 0:
            self._wanted = head.length
            self._state = _LENGTH
        else:
            head.persistent = False
            self._state = _UNTIL_CLOSE

    def _feed_length(self, data: bytes) -> None:
        wanted = self._wanted
        if len(data) == wanted <= self._limits.body and not self._raw:
            self._whole = data
            self._state = _DONE
            return
        if len(data) > wanted:
            data = data[:wanted]
            self.extra = True
        self._wanted = wanted - len(data)
        self._keep(data, None)
        if not self._wanted and self._state != _DONE:
            self._state = _DONE

    def _keep(self, data: bytes, payload: bytes | None) -> None:
        """Keep body bytes as received and, for chunks, what they carry; the cap ends the reply."""
        room = self._limits.body - len(self._raw)
        if len(data) > room:
            data = data[:room]
            self.truncated = True
            self._state = _DONE
        self._raw += data
        if payload is not None and self._payload is not None:
            self._payload += payload[:room]

    def _run_chunks(self) -> None:
        step = True
        while step and self._state != _DONE:
            if self._state == _CHUNK_DATA:
                step = self._chunk_data()
            elif self._state == _CHUNK_END:
                step = self._chunk_end()
            elif self._state == _TRAILERS:
                step = self._trailer()
            else:
                step = self._chunk_size()

    def _line(self, cap: int) -> bytes | None:
        """The next line with its end, or None. A line past `cap` ends the reply."""
        end = self._buffer.find(b"\n", self._scanned, cap)
        if end < 0:
            if len(self._buffer) >= cap:
                self._break("long-chunk-line")
            self._scanned = min(len(self._buffer), cap)
            return None
        self._scanned = 0
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _break(self, problem: str) -> None:
        """The rest cannot be read: the reply ends here, incomplete."""
        self._note(problem)
        self.truncated = True
        self._state = _DONE

    def _chunk_size(self) -> bool:
        line = self._line(self._limits.chunk_line)
        if line is None:
            return False
        self._keep(line, b"")
        if self._state == _DONE:
            return False
        if not line.endswith(b"\r\n"):
            self._note("bare-lf-in-chunks")
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > MAX_CHUNK_DIGITS or not _HEX.issuperset(digits):
            self._break("bad-chunk-size")
            return False
        self._wanted = int(digits, 16)
        self._state = _CHUNK_DATA if self._wanted else _TRAILERS
        self._size = 0
        return True

    def _chunk_data(self) -> bool:
        part = bytes(self._buffer[: self._wanted])
        if not part:
            return False
        del self._buffer[: len(part)]
        self._wanted -= len(part)
        self._keep(part, part)
        if not self._wanted and self._state != _DONE:
            self._state = _CHUNK_END
        return True

    def _chunk_end(self) -> bool:
        buffer = self._buffer
        if not buffer or (len(buffer) == 1 and buffer[0] == 0x0D):
            return False
        size = 2 if buffer[:2] == b"\r\n" else 1 if buffer[0] == 0x0A else 0
        if not size:
            self._break("bad-chunk-end")
            return False
        if size == 1:
            self._note("bare-lf-in-chunks")
        self._keep(bytes(buffer[:size]), b"")
        del buffer[:size]
        if self._state != _DONE:
            self._state = _CHUNK_SIZE
        return True

    def _trailer(self) -> bool:
        line = self._line(self._limits.trailers)
        if line is None:
            return False
        self._size += len(line)
        self._keep(line, b"")
        if self._state == _DONE:
            return False
        if line in (b"\r\n", b"\n"):
            self._state = _DONE
            self.extra = self.extra or bool(self._buffer)
            return False
        if self._size > self._limits.trailers:
            self._break("long-trailers")
            return False
        return True
