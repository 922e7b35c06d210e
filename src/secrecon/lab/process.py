"""The lab as a process of its own: started, awaited until ready, and ended with the `with` block."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from secrecon.lab.description import LabDescription, read_description
from secrecon.lab.truth import Truth, load_truth
from secrecon.model.errors import OperatorError

START_SECONDS = 20.0
STOP_SECONDS = 5.0
CONTROL_SECONDS = 5.0


class LabProcess:
    """`with LabProcess(folder) as lab:` runs the lab; `lab.description` says where everything is.

    The lab ends with the block, and also when this process dies, because its standard input then closes.
    """

    def __init__(
        self, data_dir: Path, callback_dns: tuple[str, int] | None = None, callback_domain: str = "cb.test"
    ) -> None:
        self._command = [sys.executable, "-m", "secrecon.lab", "--data-dir", str(data_dir)]
        self._command += ["--callback-domain", callback_domain]
        if callback_dns is not None:
            self._command += ["--callback-dns", f"{callback_dns[0]}:{callback_dns[1]}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._description: LabDescription | None = None

    @property
    def description(self) -> LabDescription:
        """Where everything is. Raises OperatorError while the lab does not run."""
        if self._description is None:
            raise OperatorError("the lab is not running")
        return self._description

    @property
    def truth(self) -> Truth:
        """What a correct scan finds."""
        return load_truth(self.description)

    def __enter__(self) -> LabProcess:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self._description = read_description(self._first_line())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def traps(self) -> dict[str, int]:
        """How often each trap was sprung."""
        answer = self._control("/traps", None)
        return {str(name): int(count) for name, count in answer.items() if isinstance(count, int)}

    def asked(self) -> dict[str, int]:
        """How many requests each host was sent, by its label."""
        answer = self._control("/asked", None)
        return {str(label): int(count) for label, count in answer.items() if isinstance(count, int)}

    def set_callback_dns(self, host: str, port: int) -> None:
        """Tell the lab where the callback listener's name server is."""
        self._control("/callback-dns", {"host": host, "port": port})

    def _control(self, path: str, body: dict[str, object] | None) -> dict[str, object]:
        url = f"http://127.0.0.1:{self.description.control_port}{path}"
        data = json.dumps(body).encode() if body is not None else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(url, data), timeout=CONTROL_SECONDS) as reply:
                answer = json.loads(reply.read(65_536))
        except (OSError, ValueError) as error:
            raise OperatorError(f"the lab's control door did not answer {path}: {error}") from error
        if not isinstance(answer, dict):
            raise OperatorError(f"the lab's control door answered {path} with something else")
        return answer

    def _first_line(self) -> str:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        line = b""
        end = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise OperatorError(f"the lab was not ready within {START_SECONDS:.0f} seconds")
                part = os.read(stream.fileno(), 65_536)
                if not part:
                    raise OperatorError("the lab ended before it was ready; its error output says why")
                line += part
        return line.decode("utf-8", "replace")

    def _stop(self) -> None:
        process, self._process, self._description = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
