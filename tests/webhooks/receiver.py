#!/usr/bin/env python3
"""A receiver of webhooks over TLS, which checks each signature by itself and notes each request.

  receiver.py PORT CERTIFICATE KEY SECRETS MODE NOTES

SECRETS is a file with the secrets that this receiver knows, one a line. MODE is a file that says what it does now: ok
(takes the event), slow (takes it, and answers three seconds later), hang, redirect, or a status. Each request is a line of
JSON in NOTES: when, where to, the mode, whether it was taken, the event, and which of the secrets its signatures fit.
"""
import base64
import hashlib
import hmac
import json
import os
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

port, certificate, key, secrets_file, mode_file, notes_file = sys.argv[1:]
writing = threading.Lock()


def secrets():
    with open(secrets_file, encoding="ascii") as lines:
        for line in lines.read().split():
            yield base64.b64decode(line[len("whsec_"):]) if line.startswith("whsec_") else line.encode()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open(mode_file, encoding="ascii") as file:
            mode = file.read().strip()
        signed = f'{self.headers["webhook-id"]}.{self.headers["webhook-timestamp"]}.'.encode() + body
        offered = [s.removeprefix("v1,") for s in self.headers["webhook-signature"].split(" ")]
        fits = []
        for number, secret in enumerate(secrets()):
            wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
            if any(hmac.compare_digest(wanted, signature) for signature in offered):
                fits.append(number)
        event = json.loads(body)
        now = time.time()
        is_fresh = abs(now - int(self.headers["webhook-timestamp"])) < 60
        valid = bool(fits) and is_fresh and event["id"] == self.headers["webhook-id"]
        taken = mode in ("ok", "slow") and valid
        note = {"at": now, "path": self.path.partition("?")[0], "mode": mode, "taken": taken, "valid": valid, "fits": fits,
                "signatures": len(offered), "id": event["id"], "event": event}
        with writing, open(notes_file, "a", encoding="utf-8") as notes:
            notes.write(json.dumps(note) + "\n")
            notes.flush()
            os.fsync(notes.fileno())
        if mode == "hang":
            time.sleep(60)
            return
        if mode == "slow":
            time.sleep(3)
        status = (200 if valid else 401) if mode in ("ok", "slow") else 307 if mode == "redirect" else int(mode)
        answer = b"x" * 100_000
        try:
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"https://localhost:{port}/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            pass  # the other end was killed, or does not read it all

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", int(port)), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
