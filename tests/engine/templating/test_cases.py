"""The differential suite: for each feature a template, a server that triggers it and one that does not.

What must come out was written from the specification of the language, not from what the engine does. Cases are data, in
`cases/*.yaml`: `template`, and `hit` and `miss` with `replies`, `found` (results), `sent` (method and target of
each request), `has` and `lacks` (text in the requests), `outcome`, `reason`, `calls` (callbacks that come).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
import yaml
from tests.engine.templating.stage import Hits, Reply, Stage, made, run

from secrecon.model.scan import Outcome
from secrecon.templates.execution.session import Options
from secrecon.templates.payloads import Attack

pytestmark = pytest.mark.asyncio(loop_scope="module")
KNOWN = {"name", "template", "target", "given", "options", "files", "hit", "miss"}
KNOWN_SIDE = {"replies", "found", "sent", "has", "lacks", "outcome", "reason", "calls", "target", "unordered"}


def cases() -> Iterator[object]:
    for file in sorted(Path(__file__).with_name("cases").glob("*.yaml")):
        for case in yaml.safe_load(file.read_text()):
            assert not set(case) - KNOWN, (file.name, case["name"])
            for side in ("hit", "miss"):
                assert not set(case[side]) - KNOWN_SIDE, (file.name, case["name"])
                yield pytest.param(case, case[side], id=f"{file.stem}: {case['name']}: {side}")


@pytest.mark.parametrize(("case", "side"), list(cases()))
async def test_the_verdict_is_what_the_language_says(
    stage: Stage, case: Mapping[str, object], side: Mapping[str, object]
) -> None:
    stage.play([Reply(**reply) for reply in cast("list[dict[str, object]]", side.get("replies", []))])  # type: ignore[arg-type]
    files = {name: text.encode() for name, text in cast("dict[str, str]", case.get("files", {})).items()}
    given = {name: value.encode() for name, value in cast("dict[str, str]", case.get("given", {})).items()}
    asked = dict(cast("dict[str, object]", case.get("options", {})))
    attack = Attack(str(asked.pop("attack"))) if "attack" in asked else None
    options = Options(given=given, attack=attack, **cast("dict[str, bool]", asked))  # type: ignore[arg-type]
    hits = Hits(cast("list[str]", side["calls"])) if "calls" in side else None
    prepared = made(str(case["template"]).replace("<<port>>", str(stage.port)), files)
    path = str(side.get("target", case.get("target", ""))).replace("<<port>>", str(stage.port))
    target = path if "://" in path else stage.origin + path
    came = await run(prepared, target, options=options, hits=hits)
    told = (came.attempt.outcome, came.attempt.reason, stage.lines)
    assert sorted(came.found) == sorted(cast("list[str]", side.get("found", []))), told
    if "sent" in side:
        order = sorted if side.get("unordered") else list
        assert order(stage.lines) == order(cast("list[str]", side["sent"])), told
    everything = b"\n".join(stage.received).decode("latin-1")
    for text in cast("list[str]", side.get("has", [])):
        assert text in everything
    for text in cast("list[str]", side.get("lacks", [])):
        assert text not in everything
    assert came.attempt.outcome is Outcome(str(side.get("outcome", "done"))), told
    assert str(side.get("reason", "")) in came.attempt.reason, told
