"""A relay with TLS before a trust server, which falsifies one kind of answer at a time.

It is a registry of one image, too, and a token service.
"""

import hashlib
import http.client
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

MANIFEST = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
MANIFEST_TYPE = "application/vnd.oci.image.index.v1+json"
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


@dataclass
class Fault:
    """What becomes of the answers to requests whose `METHOD PATH` matches."""

    match: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    # bytes that are sent in place of the whole answer's length, before the connection ends
    cut: bool = False
    reset: bool = False
    # one byte of the body is another
    flip: bool = False
    # so many bytes more than there should be
    longer: int = 0
    # the answer is that of another path
    instead: str | None = None
    # seconds before the answer
    delay: float = 0
    # the registry answers whoever shows no token that it knows with a challenge that names the relay's token service
    wants_token: bool = False
    # after so many faults everything is as it should be
    times: int = 1 << 30
    # the server gets the request though its answer is another; otherwise an answer with a status is the relay's own
    arrives: bool = False
    # the server may say that it answers updates in one; otherwise each document is asked for by itself
    at_once: bool = False
    # how often it was met
    met: int = 0


class Relay:
    def __init__(self, backend: int, certificate: str, key: str):
        self.backend = backend
        self.fault: Fault | None = None
        self.requests: list[str] = []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                relay.answer(self)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, address = self.socket.accept()
                connection.settimeout(120)
                return connection, address

            def finish_request(self, request, client_address):
                try:
                    request = context.wrap_socket(request, server_side=True)
                except (OSError, ssl.SSLError):
                    return
                super().finish_request(request, client_address)

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = f"{handler.command} {handler.path}"
        self.requests.append(asked)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Transfer-Encoding") == "chunked":
            body = read_chunks(handler.rfile)
        fault = self.fault
        if fault and fault.wants_token and "/manifests/" in handler.path:
            fault.met += 1
            challenge = f'Bearer realm="https://localhost:{self.port}/token",service="s"'
            handler.send_response_only(401)
            handler.send_header("WWW-Authenticate", challenge)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if fault and (fault.times <= 0 or not re.search(fault.match, asked)):
            fault = None
        if fault:
            fault.times -= 1
            fault.met += 1
            time.sleep(fault.delay)
            if fault.reset:
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.connection.close()
                handler.close_connection = True
                return
        path = fault.instead if fault and fault.instead else handler.path
        if fault and fault.status and fault.body is not None and not fault.arrives:
            status, headers, content = fault.status, {}, fault.body
        else:
            status, headers, content = self.true_answer(handler, path, body)
        if fault:
            status = fault.status or status
            content = content if fault.body is None else fault.body
            headers = {**headers, **fault.headers}
            if fault.flip:
                # within a signature or a hash: the JSON stays JSON
                at = content.rindex(b'"sig":"') + 10
                content = content[:at] + (b"A" if content[at : at + 1] != b"A" else b"B") + content[at + 1 :]
            content += b" " * fault.longer
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content[: len(content) // 2] if fault and fault.cut else content)
        if fault and fault.cut:
            handler.wfile.flush()
            handler.connection.close()
            handler.close_connection = True

    def true_answer(self, handler, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if "/manifests/" in path:
            if handler.command == "PUT":
                return 201, {"Docker-Content-Digest": DIGEST, "Location": path}, b""
            if path.endswith("/missing"):
                error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
                return 404, {"Content-Type": "application/json"}, json.dumps(error).encode()
            return 200, {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": DIGEST}, MANIFEST
        if path.startswith("/token"):
            return 200, {"Content-Type": "application/json"}, b'{"token":"t"}'
        connection = http.client.HTTPConnection("127.0.0.1", self.backend, timeout=60)
        kept = {name: value for name, value in handler.headers.items() if name.lower() in ("content-type", "accept")}
        connection.request(handler.command, path, body, kept)
        answer = connection.getresponse()
        content = answer.read()
        passed = ["content-type", "www-authenticate"] + ["bulla-trust-update"] * bool(self.fault and self.fault.at_once)
        headers = {name: value for name, value in answer.getheaders() if name.lower() in passed}
        connection.close()
        return answer.status, headers, content


def read_chunks(stream) -> bytes:
    content = b""
    while size := int(stream.readline().split(b";")[0], 16):
        content += stream.read(size)
        stream.readline()
    stream.readline()
    return content
