"""The SMTP catcher, without I/O: a mail session's bytes in, replies and the mails it carried out (RFC 5321, 3207, 4954).

Any recipient, sender and password is accepted, nothing is delivered anywhere. A mail counts once its recipients are
named, whether or not its text follows. Lines, commands, recipients and text are bounded; only CRLF "." CRLF ends a text.
What came before STARTTLS in the same breath is thrown away, so that nothing can be slipped under the encryption.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secrecon.oast.tokens import find_tokens

MAX_LINE = 4_096
MAX_COMMANDS = 200
MAX_RECIPIENTS = 100
MAX_TEXT = 65_536
MAX_READ = 10_485_760
_END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """`request`: the text of the mail, or the commands where no text came. `name`: the host that a token stands in."""

    sender: str
    recipients: tuple[str, ...]
    tokens: tuple[str, ...]
    request: bytes


@dataclass(slots=True)
class Step:
    """What to do after some bytes: write `reply`, record `mails`, then encrypt or close."""

    reply: bytes = b""
    mails: list[Mail] = field(default_factory=list)
    encrypt: bool = False
    close: bool = False


class SmtpCatcher:
    """One connection. `domain`: what it calls itself. `tls`: whether STARTTLS is offered."""

    def __init__(self, domain: str, *, tls: bool = False) -> None:
        self._name = domain or "mail.invalid"
        self._tls = tls
        self._buffer = bytearray()
        self._text: bytearray | None = None
        self._read = 0
        self._commands: list[bytes] = []
        self._count = 0
        self._awaits: int = 0
        self._sender = ""
        self._recipients: list[str] = []

    def greeting(self) -> bytes:
        """What is said first."""
        return f"220 {self._name} ESMTP\r\n".encode("ascii", "replace")

    def encrypted(self) -> None:
        """The connection is encrypted now; the session starts anew (RFC 3207 4.2)."""
        self._tls = False
        self._buffer.clear()
        self._start_over()

    def feed(self, data: bytes) -> Step:
        """Take in bytes."""
        step = Step()
        self._read += len(data)
        self._buffer += data
        if self._read > MAX_READ:
            step.reply += b"421 too much\r\n"
            step.close = True
        while not (step.close or step.encrypt):
            if self._text is not None:
                if not self._take_text(step):
                    break
                continue
            line, mark, rest = self._buffer.partition(b"\n")
            if not mark:
                if len(self._buffer) > MAX_LINE:
                    step.reply += b"500 line too long\r\n"
                    step.close = True
                break
            self._buffer = rest
            self._command(bytes(line.rstrip(b"\r")[:MAX_LINE]), step)
        if step.close:
            self.end(step)
        return step

    def end(self, step: Step | None = None) -> list[Mail]:
        """The connection is over: what was named and not yet recorded."""
        mails = [] if step is None else step.mails
        if self._recipients:
            text = bytes(self._text) if self._text else b"\n".join(self._commands)
            mails.append(self._mail(text))
        self._start_over()
        return mails

    def _take_text(self, step: Step) -> bool:
        """Move text out of the buffer; True when it has ended."""
        assert self._text is not None
        room = MAX_TEXT - len(self._text)
        at = 0 if self._buffer.startswith(b".\r\n") and not self._text else -1
        length = 3
        if at < 0:
            at, length = self._buffer.find(_END), len(_END)
        if at < 0:
            keep = len(_END) - 1
            if len(self._buffer) > keep:
                self._text += self._buffer[: -keep or None][:room]
                del self._buffer[:-keep]
            return False
        self._text += self._buffer[:at][:room]
        del self._buffer[: at + length]
        step.mails.append(self._mail(bytes(self._text).replace(b"\r\n..", b"\r\n.")))
        self._start_over()
        step.reply += b"250 OK\r\n"
        return True

    def _mail(self, text: bytes) -> Mail:
        hosts = [address.rpartition("@")[2] for address in self._recipients]
        tokens = dict.fromkeys(find_tokens(" ".join(hosts)))
        tokens |= dict.fromkeys(find_tokens(" ".join(self._recipients)))
        return Mail(self._sender, tuple(self._recipients), tuple(tokens), text)

    def _start_over(self) -> None:
        self._text = None
        self._sender = ""
        self._recipients = []
        self._commands = []

    def _command(self, line: bytes, step: Step) -> None:
        self._count += 1
        if self._count > MAX_COMMANDS:
            step.reply += b"421 too many commands\r\n"
            step.close = True
            return
        if self._awaits:  # words of AUTH LOGIN: not kept, whoever types a password here did not mean us to have it
            self._awaits -= 1
            step.reply += b"334 UGFzc3dvcmQ6\r\n" if self._awaits else b"235 OK\r\n"
            return
        verb, _, rest = line.partition(b" ")
        name = verb.upper().decode("latin-1")
        if name != "AUTH":
            self._commands.append(line)
        step.reply += self._answer(name, rest.decode("latin-1").strip(), step)

    def _answer(self, verb: str, rest: str, step: Step) -> bytes:
        match verb:
            case "EHLO":
                offers = ["PIPELINING", "8BITMIME", "SMTPUTF8", f"SIZE {MAX_READ}", "AUTH PLAIN LOGIN"]
                offers += ["STARTTLS"] if self._tls else []
                lines = [f"250-{self._name}", *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"]
                return "\r\n".join(lines).encode("ascii", "replace") + b"\r\n"
            case "HELO" | "NOOP" | "HELP":
                return f"250 {self._name}\r\n".encode("ascii", "replace")
            case "MAIL":
                self._sender = _address(rest)
                return b"250 OK\r\n"
            case "RCPT":
                if len(self._recipients) >= MAX_RECIPIENTS:
                    return b"452 too many recipients\r\n"
                self._recipients.append(_address(rest))
                return b"250 OK\r\n"
            case "DATA":
                if not self._recipients:
                    return b"503 who is it for?\r\n"
                self._text = bytearray()
                return b"354 go on\r\n"
            case "RSET":
                self.end(step)
                return b"250 OK\r\n"
            case "VRFY":
                return b"252 send it and see\r\n"
            case "AUTH":
                return self._auth(rest)
            case "STARTTLS" if self._tls:
                self._buffer.clear()
                step.encrypt = True
                return b"220 go ahead\r\n"
            case "QUIT":
                step.close = True
                return b"221 bye\r\n"
            case _:
                return b"502 unknown command\r\n"

    def _auth(self, rest: str) -> bytes:
        method, _, initial = rest.partition(" ")
        if method.upper() == "PLAIN":
            if initial:
                return b"235 OK\r\n"
            self._awaits = 1
            return b"334 \r\n"
        if method.upper() == "LOGIN":
            self._awaits = 1 if initial else 2
            return b"334 UGFzc3dvcmQ6\r\n" if initial else b"334 VXNlcm5hbWU6\r\n"
        return b"504 unknown method\r\n"


def _address(rest: str) -> str:
    """`TO:<a@b> SIZE=3` as `a@b`."""
    text = rest.partition(":")[2].strip()
    if text.startswith("<"):
        return text[1:].rpartition(">")[0] if ">" in text else text[1:]
    return text.partition(" ")[0]
