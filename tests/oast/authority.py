"""A small certificate authority that speaks ACME (RFC 8555) on loopback: enough to hold a client to the protocol.

Signatures, nonces, URLs and account keys are checked; DNS-01 proofs are looked up at the name server it is given. Nothing
it signs is trusted anywhere.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.message
import dns.query
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


def plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Problem(Exception):
    """An error reply: its kind of RFC 8555 6.7 and what was wrong."""


@dataclass
class Order:
    names: list[str]
    tokens: dict[str, str]
    valid: set[str] = field(default_factory=set)
    chain: bytes = b""


class Authority:
    """`with Authority(port) as authority`: `authority.directory` is its URL. `days`: how long certificates are good."""

    def __init__(self, dns_port: int, days: float = 90.0) -> None:
        self.dns_port = dns_port
        self.days = days
        self.accounts: dict[str, dict[str, str]] = {}
        self.orders: list[Order] = []
        self.nonces: set[str] = set()
        self.broken = False
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
        authority = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Quiet."""

            def do_HEAD(self) -> None:
                self._reply(200, b"", {})

            def do_GET(self) -> None:
                self._reply(200, json.dumps(authority.endpoints()).encode(), {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, answer, headers = authority.post(self.path, json.loads(body))
                except Problem as problem:
                    kind, words = problem.args
                    answer = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": words}
                    status, headers = 400, {"Content-Type": "application/problem+json"}
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self._reply(status, data, headers)

            def _reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Replay-Nonce", authority.nonce())
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.directory = f"{self.base}/directory"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Authority:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def nonce(self) -> str:
        self.nonces.add(fresh := url64(secrets.token_bytes(12)))
        return fresh

    def endpoints(self) -> dict[str, str]:
        return {name: f"{self.base}/{name}" for name in ("newNonce", "newAccount", "newOrder")}

    def post(self, path: str, jws: dict[str, str]) -> tuple[int, object, dict[str, str]]:
        head = json.loads(plain(jws["protected"]))
        if head["nonce"] not in self.nonces:
            raise Problem("badNonce", "a nonce of ours, once")
        self.nonces.remove(head["nonce"])
        if head["url"] != self.base + path:
            raise Problem("unauthorized", "signed for another URL")
        jwk = head.get("jwk") or self.accounts.get(head.get("kid", ""))
        if jwk is None:
            raise Problem("accountDoesNotExist", "register first")
        self._verify(jwk, jws)
        payload = json.loads(plain(jws["payload"])) if jws["payload"] else {}
        if self.broken:
            raise Problem("serverInternal", "out of order")
        match path.strip("/").split("/"):
            case ["newAccount"]:
                return self._account(jwk, payload)
            case ["newOrder"]:
                names = [item["value"] for item in payload["identifiers"]]
                tokens = {name: url64(secrets.token_bytes(24)) for name in names}
                self.orders.append(Order(names, tokens))
                number = len(self.orders) - 1
                return 201, self._order(number), {"Location": f"{self.base}/order/{number}"}
            case ["order", number]:
                return 200, self._order(int(number)), {}
            case ["authz", number, at]:
                return 200, self._authorization(int(number), int(at)), {}
            case ["challenge", number, at]:
                self._validate(int(number), int(at), jwk)
                return (
                    200,
                    self._challenge(int(number), int(at)),
                    {"Link": f'<{self.base}/authz/{number}/{at}>;rel="up"'},
                )
            case ["finalize", number]:
                self._finalize(int(number), plain(payload["csr"]))
                return 200, self._order(int(number)), {"Location": f"{self.base}/order/{number}"}
            case ["certificate", number]:
                return 200, self.orders[int(number)].chain, {"Content-Type": "application/pem-certificate-chain"}
        raise Problem("malformed", f"no such path {path}")

    def _verify(self, jwk: dict[str, str], jws: dict[str, str]) -> None:
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(plain(jwk["x"]), "big"), int.from_bytes(plain(jwk["y"]), "big"), ec.SECP256R1()
        )
        raw = plain(jws["signature"])
        signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        signed = f"{jws['protected']}.{jws['payload']}".encode()
        try:
            numbers.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise Problem("unauthorized", "not signed with that key") from error

    def _account(self, jwk: dict[str, str], payload: dict[str, object]) -> tuple[int, object, dict[str, str]]:
        known = next((url for url, key in self.accounts.items() if key == jwk), None)
        if known is None and not payload.get("termsOfServiceAgreed"):
            raise Problem("userActionRequired", "agree to the terms")
        url = known or f"{self.base}/account/{len(self.accounts)}"
        self.accounts[url] = jwk
        return (201 if known is None else 200), {"status": "valid"}, {"Location": url}

    def _order(self, number: int) -> dict[str, object]:
        order = self.orders[number]
        ready = order.valid == set(order.names)
        shown: dict[str, object] = {
            "status": "valid" if order.chain else "ready" if ready else "pending",
            "identifiers": [{"type": "dns", "value": name} for name in order.names],
            "authorizations": [f"{self.base}/authz/{number}/{at}" for at in range(len(order.names))],
            "finalize": f"{self.base}/finalize/{number}",
        }
        if order.chain:
            shown["certificate"] = f"{self.base}/certificate/{number}"
        return shown

    def _authorization(self, number: int, at: int) -> dict[str, object]:
        name = self.orders[number].names[at]
        return {
            "status": "valid" if name in self.orders[number].valid else "pending",
            "identifier": {"type": "dns", "value": name.removeprefix("*.")},
            "wildcard": name.startswith("*."),
            "challenges": [self._challenge(number, at)],
        }

    def _challenge(self, number: int, at: int) -> dict[str, object]:
        order = self.orders[number]
        name = order.names[at]
        status = "valid" if name in order.valid else "pending"
        url = f"{self.base}/challenge/{number}/{at}"
        return {"type": "dns-01", "url": url, "token": order.tokens[name], "status": status}

    def _validate(self, number: int, at: int, jwk: dict[str, str]) -> None:
        order = self.orders[number]
        name = order.names[at]
        thumb = json.dumps(
            {key: jwk[key] for key in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True
        )
        authorization = f"{order.tokens[name]}.{url64(hashlib.sha256(thumb.encode()).digest())}"
        wanted = url64(hashlib.sha256(authorization.encode()).digest())
        query = dns.message.make_query(f"_aCme-challenge.{name.removeprefix('*.')}", "TXT")
        for ask in (dns.query.udp, dns.query.tcp):
            reply = ask(query, "127.0.0.1", port=self.dns_port, timeout=3)
            found = {b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset}
            if wanted not in found:
                raise Problem("unauthorized", f"no such TXT record, only {sorted(found)}")
        order.valid.add(name)

    def _finalize(self, number: int, csr: bytes) -> None:
        order, request = self.orders[number], x509.load_der_x509_csr(csr)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        if order.valid != set(order.names) or set(names.value.get_values_for_type(x509.DNSName)) != set(
            order.names
        ):
            raise Problem("badCSR", "the names of the order, all of them proven")
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._name)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=self.days))
            .add_extension(names.value, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        order.chain = made.public_bytes(serialization.Encoding.PEM)
