#!/usr/bin/python3
"""Says who it is and what it saw: every answer is one JSON object.

HTTP on --http, the same over TLS on --https (with a certificate made for --name at the start, in
CERTIFICATE) and over HTTP/2 without TLS on --h2, where gRPC is answered, too; the same object in
a line over TCP on --tcp and over UDP on --udp. HTTP/1.1 is upgraded to a WebSocket that answers
each text with the object. Its own name comes from the environment (POD_NAME, POD_NAMESPACE,
POD_IP, NODE_NAME; else the host name).
Query parameters of a request: status=503 answers with that status, delay=2 waits that many
seconds first, body=10000 adds a field of that many bytes. key=x says by "attempt" which request
of that key it is; with fail=2 the first two of them get the status (503 if none is given), and
those that follow 200.
"""

import argparse
import collections
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import websocket

CERTIFICATE, KEY = "/tmp/workload.crt", "/tmp/workload.key"


class Attempts:
    """How many requests there were, by their key."""

    def __init__(self):
        self.counts = collections.Counter()
        self.lock = threading.Lock()

    def count(self, key):
        with self.lock:
            self.counts[key] += 1
            return self.counts[key]


ATTEMPTS = Attempts()


def identity():
    return {
        "pod": os.environ.get("POD_NAME") or socket.gethostname(),
        "namespace": os.environ.get("POD_NAMESPACE", ""),
        "pod_ip": os.environ.get("POD_IP", ""),
        "node": os.environ.get("NODE_NAME", ""),
        "version": os.environ.get("VERSION", ""),
    }


def seen(protocol, peer, local):
    return {
        **identity(),
        "protocol": protocol,
        "source": peer[0].removeprefix("::ffff:"),
        "source_port": peer[1],
        "destination": local[0].removeprefix("::ffff:"),
        "destination_port": local[1],
    }


def request(protocol, peer, connection, target, headers):
    """The report on an HTTP request; `tls` is the version and `sni` the name that was asked for,
    where TLS ends here."""
    url = urlsplit(target)
    inside = isinstance(connection, ssl.SSLSocket)
    return seen(protocol, peer, connection.getsockname()) | {
        "path": url.path,
        "query": url.query,
        "host": headers.get("host", ""),
        "headers": headers,
        "tls": connection.version() if inside else "",
        "sni": getattr(connection, "sni", "") if inside else "",
    }


def fulfil(report, received):
    """Do what the request's query wishes: the status of the answer."""
    wish = {key: values[0] for key, values in parse_qs(report["query"]).items()}
    report["received"] = received
    if "body" in wish:
        report["body"] = "x" * int(wish["body"])
    if "key" in wish:
        report["attempt"] = ATTEMPTS.count(wish["key"])
    time.sleep(float(wish.get("delay", 0)))
    if "fail" not in wish:
        return int(wish.get("status", 200))
    return int(wish.get("status", 503)) if report["attempt"] <= int(wish["fail"]) else 200


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300
    # Or the body, which is written after the headers, waits for the peer's delayed acknowledgement.
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        peer, sock, version = self.client_address, self.connection, self.request_version
        report = request(version, peer, sock, self.path, headers)
        report["method"] = self.command
        if headers.get("upgrade", "").lower() == "websocket":
            self.talk(headers, report)
            return
        status = fulfil(report, len(body))
        text = json.dumps(report).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def talk(self, headers, report):
        """Be a WebSocket from here on: a text in, the report in a text out."""
        self.close_connection = True
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", websocket.accept(headers["sec-websocket-key"]))
        self.end_headers()
        for opcode, payload in websocket.frames(self.rfile):
            if opcode == websocket.TEXT:
                told = report | {"protocol": "websocket", "received": payload.decode()}
                self.wfile.write(websocket.frame(opcode, json.dumps(told).encode()))
            elif opcode == websocket.CLOSE:
                self.wfile.write(websocket.frame(opcode, payload))
                return

    def log_message(self, template, *values):
        print(self.client_address[0], template % values, flush=True)


class Http2(socketserver.BaseRequestHandler):
    """HTTP/2 by prior knowledge; one request after the other."""

    def handle(self):
        import http2  # noqa: PLC0415  # a library that only the image has, not the host

        http2.serve(self.request, self.answer)

    def answer(self, headers, body):
        """An Answer for a request; gRPC's one method is gkelab.Workload/Ask, in JSON."""
        import http2  # noqa: PLC0415

        fields = {key: value for key, value in headers.items() if not key.startswith(":")}
        fields.setdefault("host", headers.get(":authority", ""))
        method, target, peer = headers[":method"], headers[":path"], self.client_address
        report = request("HTTP/2", peer, self.request, target, fields)
        report["method"] = method
        print(peer[0], method, target, "HTTP/2", flush=True)
        if not fields.get("content-type", "").startswith("application/grpc"):
            status = fulfil(report, len(body))
            return http2.Answer(status, "application/json", json.dumps(report).encode() + b"\n")
        if report["path"] != "/gkelab.Workload/Ask":
            return http2.grpc_error(http2.UNIMPLEMENTED, f"no method {report['path']}")
        fulfil(report, len(http2.message(body)))
        return http2.grpc_answer(json.dumps(report | {"protocol": "gRPC"}).encode())


class Tcp(socketserver.StreamRequestHandler):
    """A line in, the report in a line out, for as long as the peer goes on."""

    def handle(self):
        for line in self.rfile:
            report = seen("TCP", self.client_address, self.request.getsockname())
            report["received"] = line.decode(errors="replace").rstrip("\n")
            self.wfile.write(json.dumps(report).encode() + b"\n")


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        report = seen("UDP", self.client_address, sock.getsockname())
        report["received"] = data.decode(errors="replace").rstrip("\n")
        sock.sendto(json.dumps(report).encode() + b"\n", self.client_address)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class HttpServer(ThreadingHTTPServer):
    request_queue_size = 128


class HttpsServer(HttpServer):
    def __init__(self, address, handler, context):
        super().__init__(address, handler)
        self.context = context

    def get_request(self):
        sock, address = super().get_request()
        # The handshake is the handler's thread's to make, or one silent client would stop all.
        tls = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return tls, address


def make_context(name):
    """TLS with a certificate that signs itself, for that name."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    made += ["-noenc", "-days", "30", "-subj", "/CN=workload", "-addext"]
    made += [f"subjectAltName=DNS:{name}", "-keyout", KEY, "-out", CERTIFICATE]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    context.sni_callback = lambda sock, asked, _: setattr(sock, "sni", asked or "")
    return context


def serve(options):
    context = make_context(options.name) if options.https else None
    servers = [
        *(HttpServer(("", port), Http) for port in options.http),
        *(HttpsServer(("", port), Http, context) for port in options.https),
        *(TcpServer(("", port), Http2) for port in options.h2),
        *(TcpServer(("", port), Tcp) for port in options.tcp),
        *(socketserver.ThreadingUDPServer(("", port), Udp) for port in options.udp),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("serving", json.dumps(vars(options)), flush=True)
    # A pod that is asked to stop goes on answering for this long, as one that drains does.
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    stop.wait()
    time.sleep(options.drain)
    for server in servers:
        server.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="answer until stopped")
    server.add_argument("--http", type=int, nargs="*", default=[8080])
    server.add_argument("--https", type=int, nargs="*", default=[])
    server.add_argument("--name", default=socket.gethostname(), help="the certificate's")
    server.add_argument("--h2", type=int, nargs="*", default=[])
    server.add_argument("--tcp", type=int, nargs="*", default=[9000])
    server.add_argument("--udp", type=int, nargs="*", default=[9001])
    server.add_argument("--drain", type=float, default=0, help="seconds to answer after SIGTERM")
    commands.add_parser("idle", help="wait until stopped: a client to run probes in")
    options = parser.parse_args()
    if options.command == "serve":
        serve(options)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.pause()


if __name__ == "__main__":
    main()
