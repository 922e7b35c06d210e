import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oast.talk import TOKEN

from secrecon.oast.smtp import MAX_LINE, MAX_RECIPIENTS, MAX_TEXT, Mail, SmtpCatcher


def run(*chunks: bytes, tls: bool = False) -> tuple[bytes, list[Mail], SmtpCatcher]:
    catcher = SmtpCatcher("cb.test", tls=tls)
    reply, mails = b"", list[Mail]()
    for chunk in chunks:
        step = catcher.feed(chunk)
        reply += step.reply
        mails += step.mails
    return reply, mails, catcher


HELLO = f"EHLO x\r\nMAIL FROM:<a@b.test> SIZE=3\r\nRCPT TO:<{TOKEN.upper()}@x.test>\r\n".encode()


def test_a_mail_is_taken_with_its_sender_recipients_and_text() -> None:
    data = f"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<post@pre-{TOKEN.upper()}.Cb.test>\r\nDATA\r\n".encode()
    reply, mails, _ = run(data, b"Subject: x\r\n\r\nhello\r\n..dot\r\n.\r\nQUIT\r\n")
    (mail,) = mails
    assert (mail.sender, mail.tokens) == ("a@b.test", (TOKEN,))
    assert mail.request == b"Subject: x\r\n\r\nhello\r\n.dot"
    assert [line[:3] for line in reply.splitlines() if line[3:4] == b" "] == [
        b"250", b"250", b"250", b"354", b"250", b"221",
    ]  # fmt: skip


def test_the_last_at_parts_the_address() -> None:
    _, _, catcher = run(f'MAIL FROM:<>\r\nRCPT TO:<"a@b"@{TOKEN}.cb.test>\r\n'.encode())
    assert catcher.end()[0].tokens == (TOKEN,)


def test_a_mail_without_text_counts_when_the_connection_ends() -> None:
    _, mails, catcher = run(HELLO)
    assert mails == []
    (mail,) = catcher.end()
    assert mail.tokens == (TOKEN,)
    assert mail.request.startswith(b"EHLO x\nMAIL FROM")
    assert catcher.end() == []


def test_a_text_that_is_cut_off_counts() -> None:
    _, _, catcher = run(HELLO, b"DATA\r\nhalf of ")
    assert len(catcher.end()) == 1


def test_several_mails_on_one_connection() -> None:
    mail = f"MAIL FROM:<a@b>\r\nRCPT TO:<x@{TOKEN}.cb.test>\r\nDATA\r\n.\r\n".encode()
    assert len(run(mail * 3)[1]) == 3


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n\x00.\r\n"])
def test_only_the_true_end_ends_a_text(end: bytes) -> None:
    _, mails, _ = run(HELLO + b"DATA\r\na" + end + b"MAIL FROM:<smuggled@x>\r\n.\r\n")
    assert len(mails) == 1
    assert mails[0].sender == "a@b.test"


def test_passwords_are_accepted_and_not_kept() -> None:
    _, mails, _ = run(b"AUTH PLAIN c2VjcmV0\r\nAUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n", HELLO, b"RSET\r\n")
    assert b"c2VjcmV0" not in mails[0].request
    assert b"dXNlcg" not in mails[0].request


def test_starttls_forgets_what_came_in_the_same_breath() -> None:
    catcher = SmtpCatcher("cb.test", tls=True)
    assert b"STARTTLS" in catcher.feed(b"EHLO x\r\n").reply
    step = catcher.feed(b"STARTTLS\r\n" + HELLO + b"DATA\r\n")
    assert step.encrypt
    assert step.reply == b"220 go ahead\r\n"
    catcher.encrypted()
    assert catcher.end() == []
    assert b"STARTTLS" not in catcher.feed(b"EHLO x\r\n").reply
    assert catcher.feed(b"STARTTLS\r\n").reply.startswith(b"502")


def test_sizes_are_bounded() -> None:
    assert run(b"x" * (MAX_LINE + 1))[0].startswith(b"500")
    assert b"421" in run(b"NOOP\r\n" * 300)[0]
    many = HELLO + b"RCPT TO:<a@b>\r\n" * (MAX_RECIPIENTS + 5)
    assert b"452" in run(many)[0]
    catcher = SmtpCatcher("cb.test")
    catcher.feed(HELLO + b"DATA\r\n")
    for _ in range(100):
        catcher.feed(b"y" * 10_000)
    (mail,) = catcher.feed(b"\r\n.\r\n").mails
    assert len(mail.request) == MAX_TEXT
    assert catcher.feed(HELLO + b"DATA\r\n" + b"z" * 11_000_000).close


@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([HELLO, b"DATA\r\n", b"\r\n.\r\n", b"RSET\r\n"])),
        max_size=12,
    )
)
def test_no_bytes_make_it_fail(chunks: list[bytes]) -> None:
    catcher = SmtpCatcher("cb.test", tls=True)
    for chunk in chunks:
        step = catcher.feed(chunk)
        if step.close:
            break
        if step.encrypt:
            catcher.encrypted()
    catcher.end()


@given(st.binary(max_size=40), st.integers(1, 5))
def test_how_the_bytes_arrive_makes_no_difference(text: bytes, step: int) -> None:
    data = HELLO + b"DATA\r\n" + text + b"\r\n.\r\n"
    whole = run(data)[1]
    parts = run(*(data[at : at + step] for at in range(0, len(data), step)))[1]
    assert whole == parts
