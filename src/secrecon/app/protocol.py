"""The web server's HTTP/1.1 side, with one difference: bytes that are no request are refused in the API's error shape.

Such bytes never reach the application (RFC 9112, 2.2 and 6.1), so the shield cannot answer them.
"""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from secrecon.api.problem import Problem
from secrecon.api.shield import DEFAULT_HEADERS

NOT_HTTP = "What arrived is not a readable HTTP/1.1 request: check its line ends, header names, lengths and chunks."


class Protocol(H11Protocol):
    """uvicorn's protocol over h11; `msg` is its own word for what was wrong, which only its log gets."""

    def send_400_response(self, msg: str) -> None:
        """Refuse and close; where an answer has begun already, only close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = Problem(400, NOT_HTTP).response()
            for name, value in DEFAULT_HEADERS.items():
                answer.headers[name] = value
            answer.headers["Connection"] = "close"
            head = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
