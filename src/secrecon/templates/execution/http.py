"""One http block: its requests in order, what each response means, and what later requests learn from it.

All items of the sequence for one payload set, then the next set. Blocks with payloads share no history between requests,
unless an extracted value must travel from one to the next. A name that cannot be filled in ends the block silently for
the verdict, and is told as a problem: it could not be tested.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from secrecon.model.target import is_ip
from secrecon.templates.errors import DslError, MissingVariable
from secrecon.templates.execution.asks import Answer, Ask, DnsAnswer, DnsAsk, Trouble, WaitAsk
from secrecon.templates.execution.events import Found, Waiting, results
from secrecon.templates.execution.following import Hop, Manner, exchange
from secrecon.templates.execution.making import Item, Made, Maker, Unfilled, items_of
from secrecon.templates.execution.scope import Minted, placeholders
from secrecon.templates.execution.session import Session
from secrecon.templates.execution.subject import Subject
from secrecon.templates.fuzzing import Fuzzing, unmet
from secrecon.templates.fuzzing import asks as fuzz_asks
from secrecon.templates.operators import Verdict
from secrecon.templates.payloads import Payloads
from secrecon.templates.template import HttpBlock

MAX_ITERATED = 1_000
FUZZES = "it changes the target's own request, and fuzzing was not asked for"
WATCHES = "it looks at the answers to other templates, and that was not asked for"
Dynamic = dict[str, bytes | tuple[bytes, ...]]


class HttpRun:
    """One run of a block. `number` of `total`: which http block of the template it is."""

    def __init__(self, session: Session, block: HttpBlock, number: int, total: int) -> None:
        self._session = session
        self._block = block
        self._number = number
        self._total = total
        self._items = tuple(items_of(block))
        self._maker = Maker(session, block)
        self._listens = listens(block)
        self._named = any(name.startswith("cname") for name in block.operators.reads)
        self._alone = _shares_nothing(block, len(self._items))
        self._minted: list[Minted] = []
        self._extracted = _extracted_names(session)
        self._timeout = max((item.raw.annotations.timeout for item in self._items if item.raw), default=0.0)

    def run(self) -> Generator[Ask, Answer, bool]:
        """Whether anything matched."""
        if self._block.global_matchers:
            self._session.trouble(Trouble.SKIPPED, WATCHES)
            return False
        if self._block.fuzzing is not None:
            return (yield from self._fuzz(self._block.fuzzing))
        return (yield from self._sequence())

    def _fuzz(self, fuzzing: Fuzzing) -> Generator[Ask, Answer, bool]:
        """The target's own request again and again, each time with something put in."""
        session, subject = self._session, self._session.subject
        if not session.options.fuzzing:
            session.trouble(Trouble.SKIPPED, FUZZES)
            return False
        if fuzzing.condition is not None and not fuzzing.condition.judge(_own(subject), session.ambient).matched:
            session.trouble(
                Trouble.SKIPPED, "the target as it was given does not fulfil the template's pre-condition"
            )
            return False
        asks = [ask for rule in fuzzing.rules for ask in fuzz_asks(rule, subject.path, subject.query)]
        if not asks:
            session.trouble(Trouble.SKIPPED, unmet(fuzzing.rules))
        matched = False
        for ask in asks:
            for payload in self._sets(self._payloads()):
                try:
                    made = yield from session.knowing(functools.partial(self._maker.mutated, ask, payload))
                except DslError as error:
                    session.trouble(Trouble.INVALID, str(error))
                    return matched
                verdict = yield from self._send(made, {}, 1)
                matched = matched or (verdict is not None and verdict.matched)
                if matched and self._stops:
                    return True
        return matched

    def _sequence(self) -> Generator[Ask, Answer, bool]:
        matched = False
        payloads = self._payloads()
        dynamic: Dynamic = {}
        history: dict[str, object] = {}
        for at, payload in enumerate(self._sets(payloads)):
            if self._alone:
                dynamic = {}
            for item in self._items:
                if item.raw is not None and item.raw.annotations.once and at:
                    continue
                for picked in self._picks(dynamic):
                    if self._alone:
                        history = {}
                    try:
                        verdict = yield from self._request(item, payload, picked, history)
                    except Unfilled as error:
                        if not error.names or not all(map(self._may_come, error.names)):
                            self._session.trouble(Trouble.INVALID, str(error))
                        return matched
                    except MissingVariable as error:
                        if not self._may_come(error.name):
                            self._session.trouble(
                                Trouble.INVALID, f"request {item.number} cannot be built: {error}"
                            )
                        continue
                    except DslError as error:
                        self._session.trouble(Trouble.INVALID, f"request {item.number} cannot be built: {error}")
                        continue
                    if verdict is None:
                        continue
                    dynamic.update(verdict.dynamic)
                    matched = matched or verdict.matched
                    if verdict.matched and self._stops:
                        return True
        return matched

    def _may_come(self, name: str) -> bool:
        """Whether a response may give the name a value (`token`, or `token2` for the third)."""
        return name in self._extracted or name.rstrip("0123456789") in self._extracted

    @property
    def _stops(self) -> bool:
        session = self._session
        return (
            self._block.stop_at_first_match
            or session.template.stop_at_first_match
            or session.options.stop_at_first_match
        )

    def _payloads(self) -> Payloads | None:
        made, asked = self._block.payloads, self._session.options.attack
        return replace(made, attack=asked) if made is not None and asked is not None else made

    def _sets(self, payloads: Payloads | None) -> Iterator[dict[str, bytes]]:
        """Payload sets as they are written; each is filled in when its request is made."""
        if payloads is None:
            yield {}
            return
        yield from payloads.written()

    def _picks(self, dynamic: Dynamic) -> Iterator[dict[str, bytes]]:
        """The values that the next request is made with: the first of each, or one after the other (`iterate-all`)."""
        lists = {name: value if isinstance(value, tuple) else (value,) for name, value in dynamic.items()}
        rounds = max((len(values) for values in lists.values()), default=1) if self._block.iterate_all else 1
        for at in range(min(rounds, MAX_ITERATED)):
            yield {name: values[min(at, len(values) - 1)] for name, values in lists.items() if values}

    def _request(
        self, item: Item, payload: Mapping[str, bytes], dynamic: Mapping[str, object], history: dict[str, object]
    ) -> Generator[Ask, Answer, Verdict | None]:
        made = yield from self._session.knowing(lambda: self._maker.make(item, payload, dynamic))
        return (yield from self._send(made, history, item.number))

    def _send(self, made: Made, history: dict[str, object], number: int) -> Generator[Ask, Answer, Verdict | None]:
        """Send it, follow where the block follows, and judge every hop, the last first."""
        session, block = self._session, self._block
        seconds = session.passed_time()
        if seconds:
            yield WaitAsk(seconds)
        self._minted += made.scope.minted
        session.wanting = session.wanting or made.scope.wanting
        manner = Manner(block, session.options.sni, self._timeout, session.options.redirects)
        session.asked += 1
        hops = yield from exchange(made.built, manner, session.jar, session.past, session.ambient)
        if hops[-1].answer.reply is None and len(hops) > 1:
            hops = hops[:-1]  # a redirect that could not be followed is the answer itself
        if hops[-1].answer.reply is None:
            self._failed(made, hops[-1])
            return None
        session.answered += 1
        session.statuses |= {hop.answer.reply.status for hop in hops if hop.answer.reply is not None}
        names = (yield from self._aliases(hops[-1])) if self._named else {}
        best: Verdict | None = None
        duration = sum(hop.answer.reply.waited for hop in hops if hop.answer.reply is not None)
        for at in range(len(hops) - 1, -1, -1):
            data = self._data(made, hops, at, duration, history, number)
            data.update(names)
            verdict = yield from session.knowing(functools.partial(self._judge, made, hops[at], data))
            best = verdict if best is None else _joined(best, verdict)
            if verdict.matched and self._stops:
                break
        seconds = session.passed_time()
        if seconds:
            yield WaitAsk(seconds)
        if best is not None:
            session.keep_dynamic(best.dynamic)
        return best

    def _aliases(self, hop: Hop) -> Generator[Ask, Answer, dict[str, object]]:
        """The names that the host is an alias of: `cname`, and each by number where there are several."""
        host = hop.built.connect.host
        if is_ip(host):
            return {}
        answer = yield DnsAsk(host, "A")
        assert isinstance(answer, DnsAnswer)
        if answer.trouble is not None:
            self._session.trouble(answer.trouble, answer.reason)
            return {}
        rows = [line.split(b"\t") for line in answer.sections.get("raw", b"").split(b"\n")]
        found = [row[4].strip().rstrip(b".") for row in rows if len(row) > 4 and row[3] == b"CNAME"]
        several: dict[str, object] = (
            {f"cname_{at}": name for at, name in enumerate(found)} if len(found) > 1 else {}
        )
        return {**several, "cname": found[0]} if found else {}

    def _data(
        self, made: Made, hops: list[Hop], at: int, duration: float, history: dict[str, object], number: int
    ) -> dict[str, object]:
        """What the operators see of one hop."""
        session, hop = self._session, hops[at]
        reply = hop.answer.reply
        assert reply is not None
        seen: dict[str, object] = dict(made.payload)
        seen.update(hop.answer.data if at == len(hops) - 1 else hop.answer.bare)
        seen.update(
            {
                "host": session.host,
                "type": b"http",
                "matched": hop.built.url.encode("latin-1", "replace"),
                "request": hop.built.wire,
                "duration": duration,
                "template-id": session.template.id.encode(),
                "template-path": session.prepared.path.encode(),
                "ip": reply.address.encode(),
            }
        )
        if "curl-command" in self._block.operators.reads:
            seen["curl-command"] = self._shown(made, hop).curl.encode("utf-8", "replace")
        session.keep("http", self._number, self._total, self._block.id, seen)
        if session.shares:
            seen.update(session.context)
        seen.update(placeholders(tuple(made.scope.minted)))
        data = {**made.scope.known, **history, **seen}
        if self._block.indexed:
            numbered = {f"{name}_{number}": value for name, value in seen.items()}
            history.update(numbered)
            data.update(numbered)
        return data

    def _judge(self, made: Made, hop: Hop, data: dict[str, object]) -> Verdict:
        session = self._session
        verdict = self._block.operators.judge(data, session.ambient)
        if verdict.undecided:
            session.trouble(Trouble.INVALID, f"the answer cannot be judged: {verdict.undecided}")
        if verdict.results or self._listens or session.options.status:
            shown = self._shown(made, hop)
            session.found += results(shown, verdict)
            if session.options.status and not verdict.matched:
                session.found.append(replace(shown, held=False))
            self._await(shown, data, made)
        return verdict

    def _await(self, shown: Found, data: Mapping[str, object], made: Made) -> None:
        """Keep a request whose verdict may change with a callback: with all addresses so far where histories matter."""
        if not self._listens:
            return
        minted = self._minted if self._block.indexed else made.scope.minted
        if minted:
            tokens = frozenset(item.token for item in minted)
            self._session.waiting.append(Waiting(shown, self._block.operators, data, tokens, self._stops))

    def _failed(self, made: Made, hop: Hop) -> None:
        """No answer. A callback may come all the same, so the request is kept with what there is."""
        session = self._session
        session.trouble(hop.answer.trouble or Trouble.BROKEN, hop.answer.reason)
        shown = self._shown(made, hop)
        if session.options.status:
            session.found.append(replace(shown, held=False, failed=hop.answer.reason))
        data = {**made.scope.known, "host": session.host, "type": b"http"}
        self._await(shown, data, made)

    def _shown(self, made: Made, hop: Hop) -> Found:
        session, built, reply = self._session, hop.built, hop.answer.reply
        return Found(
            template=session.template,
            protocol="http",
            host=session.subject.url,
            matched=built.url,
            request=built.wire,
            response=b"" if reply is None else _response(hop),
            address=reply.address if reply is not None else "",
            meta=made.payload,
            built=built,
        )


def _response(hop: Hop) -> bytes:
    value = hop.answer.data["response"]
    assert isinstance(value, bytes)
    return value


def _own(subject: Subject) -> dict[str, object]:
    """What a pre-condition sees: the target's request as it was given."""
    return {
        "method": b"GET",
        "path": (subject.path or "/").encode("latin-1", "replace"),
        "query": subject.query.encode("latin-1", "replace"),
        "host": subject.written.encode("latin-1", "replace"),
        "scheme": subject.origin.scheme.encode(),
        "body": b"",
        "header": b"",
    }


def listens(block: HttpBlock) -> bool:
    """Whether the block's operators look at callbacks."""
    return any(name.startswith("interactsh_") for name in block.operators.reads)


def _extracted_names(session: Session) -> frozenset[str]:
    """The names that responses may give a value. Where one has none the product simply did not answer as hoped for."""
    template = session.template
    operators = [block.operators for block in template.http] + [block.operators for block in template.dns]
    operators += [block.operators for block in template.ssl] + [block.operators for block in template.tcp]
    return frozenset(each.name for one in operators for each in one.extractors if each.name)


def _shares_nothing(block: HttpBlock, items: int) -> bool:
    """Blocks with payloads run side by side in the reference, so that no request sees the history of another; but not
    where a named internal value goes from one request to the next."""
    carries = any(each.internal and each.name for each in block.operators.extractors)
    return block.payloads is not None and not (carries and items > 1)


def _joined(first: Verdict, second: Verdict) -> Verdict:
    """Two hops of one request read as one."""
    return Verdict(
        first.matched or second.matched,
        first.results + second.results,
        {**second.extracted, **first.extracted},
        {**second.dynamic, **first.dynamic},
        first.undecided or second.undecided,
    )
