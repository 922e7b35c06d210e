"""Which paths of our list each service is asked for: pure arithmetic over the view, the same however often it is asked.

What every scan of a mode asks comes first, cut only where many services share the scan's requests. The groups of the list
follow in this order: those that something on the service makes likely, then all of it by yield. How far that reaches is
bounded per service and by the scan's budget, and what was not asked is told with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from secrecon.detect.exposure_rules import ExposureRules, Group, Rule, by_yield
from secrecon.detect.exposures import derived_rules, rules_for
from secrecon.engine.view import ScanView
from secrecon.model.asset import Link, Suspect
from secrecon.model.probe import Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode
from secrecon.model.target import Origin

REST = "exposure.full-list"
BUDGET_SHARE = 0.4
"""How much of a scan's requests the first paths may take, so that what comes after them is tested too."""
MORE_SHARE = 0.03
"""How much of them the services may take together beyond that, where something makes a group likely on them."""
MOST_LIKELY = 600
"""How many such paths one service is asked for at most where the list itself has no room."""


class ExposurePlan:
    """The plan for one look at a scan: what is known is read once, for all services."""

    def __init__(self, rules: ExposureRules, view: ScanView) -> None:
        self._rules = rules
        self._spec = view.spec
        self._full = view.spec.mode is ScanMode.FULL
        self.services = tuple(dict.fromkeys(one.origin for one in view.web if one.origin is not None))
        self._share = int(BUDGET_SHARE * view.spec.budget.requests / max(1, len(self.services)))
        self._links: dict[Origin, list[Link]] = defaultdict(list)
        for link in view.links:
            self._links[link.origin].append(link)
        self._suspects: dict[Origin, list[Suspect]] = defaultdict(list)
        for suspect in view.suspects:
            self._suspects[suspect.origin].append(suspect)
        self._products: dict[str, set[str]] = defaultdict(set)
        for technology in view.technologies:
            self._products[technology.asset].add(technology.name)
        self._likely = {origin: self._groups(origin) for origin in self.services} if self._full else {}
        self._pool = int(
            MORE_SHARE * view.spec.budget.requests / max(1, sum(1 for groups in self._likely.values() if groups))
        )

    def suspects(self, origin: Origin, round_: int) -> tuple[Suspect, ...]:
        """What is looked at again in a round: all that a service showed, where the round before showed something."""
        mine = self._suspects.get(origin, [])
        return tuple(mine) if any(one.round == round_ - 1 for one in mine) else ()

    def asked(self, origin: Origin, round_: int) -> tuple[Rule, ...]:
        """The rules of one round for one service, in order; each path and proof once."""
        if round_ == 0:
            return self._first(origin)
        return self._more(origin) if round_ == 1 else ()

    def told(self, origin: Origin, round_: int) -> Skip | Attempt:
        """The line of the ledger that says how much of the list one service is asked for up to a round."""
        asset, rules = str(origin), self._rules
        total = rules.count(named=bool(rules_for(rules.named, origin)))
        listed = {rule.path for rule in self._listed(origin)}
        if not self._full:
            return Skip(REST, asset, f"a quick scan leaves {total - len(listed)} more paths to a full scan")
        asked = listed | ({rule.path for rule in self._more(origin)} if round_ else set())
        left = total - len(asked)
        if len(listed) < len({rule.path for rule in rules_for(rules.rules, origin)}):
            many = f"{len(self.services)} services share the scan's {self._spec.budget.requests} requests"
            return Skip(REST, asset, f"{left} of {total} paths were left out: {many}")
        reason = f"the {len(asked)} likeliest of {total} paths of the list were asked for" if left else ""
        return Attempt(PhaseName.VERIFY, REST, asset, Outcome.DONE, reason)

    def _first(self, origin: Origin) -> tuple[Rule, ...]:
        """The listed paths, what the crawl met, and what earlier scans saw."""
        links = self._links.get(origin, [])
        maps = [link.target for link in links if link.source == "source-map"]
        met = derived_rules(self._rules, [link.target for link in links], maps)
        chosen = (*self._listed(origin), *met, *self._revisited(origin))
        return tuple({(rule.proof.name, rule.path): rule for rule in reversed(chosen)}.values())[::-1]

    def _listed(self, origin: Origin) -> tuple[Rule, ...]:
        """The likeliest of the first paths, as many as the service's share of the budget allows."""
        quick = rules_for(self._rules.quick, origin)
        if not self._full:
            return quick
        return rules_for(self._rules.rules, origin)[: max(self._share, len(quick))]

    def _more(self, origin: Origin) -> tuple[Rule, ...]:
        """In a full scan the likely groups, then the rest by yield."""
        likely = self._likely.get(origin, ())
        most = self._spec.budget.paths
        room = max(0, min(most, self._share - len(self._listed(origin))))
        if likely:
            room = max(room, min(MOST_LIKELY, most, self._pool))
        if not room or not self._full:
            return ()
        asked = {(rule.proof.name, rule.path) for rule in self._first(origin)}
        chosen = rules_for((*by_yield(likely), *self._rules.rest), origin)
        fresh = {
            (rule.proof.name, rule.path): rule
            for rule in reversed(chosen)
            if (rule.proof.name, rule.path) not in asked
        }
        return tuple(reversed(fresh.values()))[:room]

    def _revisited(self, origin: Origin) -> Iterable[Rule]:
        """What an earlier scan saw, with every proof of its check: the list, or what makes a path likely, may have changed."""
        start = str(origin)
        mine = [one for one in self._spec.revisit if one.url.startswith(start + "/")]
        if not mine:
            return
        known = {
            (rule.path, rule.proof.check): rule
            for rule in rules_for((*self._rules.rules, *self._rules.rest), origin)
        }
        for item in mine:
            path = item.url.removeprefix(start)
            if (path, item.check) in known:
                yield known[path, item.check]
                continue
            for proof in self._rules.proofs.values():
                if proof.check == item.check:
                    yield Rule(path, proof, self._rules.count(named=True))

    def _groups(self, origin: Origin) -> tuple[Group, ...]:
        """The groups that a product, a path or something seen in the first round makes likely on a service."""
        products = self._products.get(str(origin), set())
        seen = {one.check for one in self._suspects.get(origin, []) if not one.round}
        paths = [link.target.partition("?")[0].lower() for link in self._links.get(origin, [])]
        return tuple(
            group
            for group in self._rules.groups
            if group.technologies & products
            or group.hits & seen
            or (group.endings and any(path.endswith(group.endings) for path in paths))
        )
