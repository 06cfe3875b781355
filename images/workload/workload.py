#!/usr/bin/python3
"""Says who it is and what it saw: every answer is one JSON object.

HTTP on --http, the same object in a line over TCP on --tcp and over UDP on --udp. Its own name
comes from the environment (POD_NAME, POD_NAMESPACE, POD_IP, NODE_NAME; else the host name).
Query parameters of a request: status=503 answers with that status, delay=2 waits that many
seconds first, body=10000 adds a field of that many bytes.
"""

import argparse
import json
import os
import signal
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


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


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        wish = {key: values[0] for key, values in parse_qs(url.query).items()}
        time.sleep(float(wish.get("delay", 0)))
        report = seen(self.request_version, self.client_address, self.connection.getsockname())
        report |= {
            "method": self.command,
            "path": url.path,
            "query": url.query,
            "host": self.headers.get("Host", ""),
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "received": len(body),
        }
        if "body" in wish:
            report["body"] = "x" * int(wish["body"])
        text = json.dumps(report).encode() + b"\n"
        self.send_response(int(wish.get("status", 200)))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, template, *values):
        print(self.client_address[0], template % values, flush=True)


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


def serve(options):
    servers = [
        *(HttpServer(("", port), Http) for port in options.http),
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
