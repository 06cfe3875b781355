"""Keeps traffic going and says what becomes of it: `python3 -c THIS SETTINGS`, until its standard
input ends.

SETTINGS is a JSON object: host, port, protocol ("line", the workload's TCP server, or "http"),
http_host, query (what follows the number: "&delay=1"); stream and requests (seconds from one to
the next, 0 for none of them); timeout (seconds for a request, or to connect), patience (how long
a message may stay unacknowledged before its connection is given up), limit (when all ends by
itself). The stream is numbered messages on one connection, which is made again when it breaks;
a request has a connection of its own.

What is printed is a JSON list a line, with times in seconds since the epoch:
["answer", n, sent, at] and ["lost", n, at], a message of the stream; ["reset", at, why], its
connection; ["request", n, began, ended, why], why being "" when it was answered; ["end", at].
The standard library alone, since it runs in whatever python3 an image has, and one file, since it
travels as a word of a command line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

# The workload repeats what it was sent: the query of a request, the line of a connection.
ANSWER = re.compile(rb'"(?:query|received)": "n=(\d+)[&"]')
STATUS = re.compile(rb"HTTP/1\.\d (\d+)")
PARTIAL = 256  # bytes in which an answer that was cut in two begins
GRACE = 2.0  # seconds in which the last messages may still be answered
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)

Settings = dict[str, Any]
Say = Callable[..., None]


def message(settings: Settings, n: int, *, last: bool) -> bytes:
    """Message `n`; `last` says that the connection ends with it."""
    told = f"n={n}{settings['query']}"
    if settings["protocol"] == "line":
        return f"{told}\n".encode()
    host = settings["http_host"] or settings["host"]
    close = "Connection: close\r\n" if last else ""
    return f"GET /?{told} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n".encode()


def answered(data: bytes) -> tuple[list[int], bytes]:
    """The numbers of the messages that `data` answers, and what may be a part of the next."""
    numbers, end = [], 0
    for found in ANSWER.finditer(data):
        numbers.append(int(found[1]))
        end = found.end()
    return numbers, data[end:][-PARTIAL:]


def why_of(error: OSError) -> str:
    """The name of what went wrong."""
    if isinstance(error, socket.gaierror):
        return "DNS_ERROR"
    names = ((TimeoutError, "TIMEOUT"), (ConnectionRefusedError, "REFUSED"))
    for kind, name in (*names, (ConnectionError, "RESET")):
        if isinstance(error, kind):
            return name
    return "UNREACHABLE" if error.errno in UNREACHABLE else f"{type(error).__name__}: {error}"


def connect(settings: Settings) -> socket.socket:
    """A connection. Raises OSError."""
    where = (settings["host"], settings["port"])
    sock = socket.create_connection(where, timeout=settings["timeout"])
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def beats(every: float, stop: threading.Event) -> Iterator[float]:
    """The moments to do something at (by the monotonic clock), until `stop`. What was missed is
    left out, not made up for."""
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        yield due
        due = max(due + every, time.monotonic())


class Link:
    """One connection of the stream, and those of its messages that were not answered yet."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings, self.say = settings, say
        self.waiting: dict[int, float] = {}
        self.open, self.broken = True, ""
        self.lock = threading.Lock()
        self.sock = connect(settings)
        self.sock.settimeout(None)
        patience = int(settings["patience"] * 1000)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
        threading.Thread(target=self.listen, daemon=True).start()

    def send(self, n: int) -> None:
        """Send a message; its answer is the listener's matter."""
        with self.lock:
            held = self.open
            if held:
                self.waiting[n] = time.time()
        if not held:
            self.say("lost", n, time.time())
            return
        try:
            self.sock.sendall(message(self.settings, n, last=False))
        except OSError as error:
            # Answers that came before it broke are still to be read: the listener ends it.
            self.broken = self.broken or why_of(error)
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def listen(self) -> None:
        """Take answers until the connection ends."""
        data, why = b"", ""
        try:
            while more := self.sock.recv(65536):
                numbers, data = answered(data + more)
                for n in numbers:
                    sent = self.waiting.pop(n, None)
                    if sent is not None:
                        self.say("answer", n, sent, time.time())
        except OSError as error:
            why = why_of(error)
        self.end(self.broken or why or "CLOSED")

    def end(self, why: str) -> None:
        """Tell of the connection's end, once; `why` is "" for an end that was wanted."""
        with self.lock:
            if not self.open:
                return
            self.open = False
            left, self.waiting = self.waiting, {}
        if why:
            self.say("reset", time.time(), why)
        for n in left:
            self.say("lost", n, left[n])
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # the listener hears of it
        self.sock.close()

    def finish(self) -> None:
        """Let the last messages be answered, and end."""
        drain(self.waiting, GRACE)
        self.end("")


def drain(waiting: dict[int, float], seconds: float) -> None:
    """Wait until nothing is waited for, at most so long."""
    end, never = time.monotonic() + seconds, threading.Event()
    while waiting and time.monotonic() < end:
        never.wait(0.01)


def stream(settings: Settings, say: Say, stop: threading.Event) -> None:
    """Numbered messages on one connection."""
    link: Link | None = None
    n = 0
    for due in beats(settings["stream"], stop):
        if link is None or not link.open:
            link = None
            with contextlib.suppress(OSError):
                link = Link(settings, say)
            # Messages that were due meanwhile had no connection to go by.
            missed = int((time.monotonic() - due) / settings["stream"])
            for _ in range(missed + (link is None)):
                say("lost", n, time.time())
                n += 1
        if link is not None:
            link.send(n)
            n += 1
    if link is not None:
        link.finish()


def ask(settings: Settings, n: int) -> str:
    """One request on a connection of its own; "" when it was answered, else what was wrong."""
    end = time.monotonic() + settings["timeout"]
    data = b""
    try:
        with connect(settings) as sock:
            sock.sendall(message(settings, n, last=True))
            while n not in answered(data)[0]:
                sock.settimeout(max(0.001, end - time.monotonic()))
                more = sock.recv(65536)
                if not more:
                    status = STATUS.match(data)
                    return f"HTTP {int(status[1])}" if status else "RESET"
                data += more
    except OSError as error:
        return why_of(error)
    return "" if time.monotonic() <= end else "TIMEOUT"


def requests(settings: Settings, say: Say, stop: threading.Event) -> None:
    """Requests, each at its time, whatever becomes of those before."""
    pending: dict[int, float] = {}

    def attempt(n: int) -> None:
        why = ask(settings, n)
        began = pending.pop(n, None)
        if began is not None:
            say("request", n, began, time.time(), why)

    for n, _ in enumerate(beats(settings["requests"], stop)):
        pending[n] = time.time()
        threading.Thread(target=attempt, args=(n,), daemon=True).start()
    drain(pending, settings["timeout"] + GRACE)
    # Those left hang in the C library's resolver, which knows no time-out of ours.
    for n in list(pending):
        began = pending.pop(n, None)
        if began is not None:
            say("request", n, began, time.time(), "TIMEOUT")


def main() -> None:
    """Run what the settings ask for, until standard input ends."""
    settings: Settings = json.loads(sys.argv[1])
    stop, lock = threading.Event(), threading.Lock()

    def say(*words: object) -> None:
        rounded = [round(word, 4) if isinstance(word, float) else word for word in words]
        with lock:
            sys.stdout.write(json.dumps(rounded) + "\n")
            sys.stdout.flush()

    def leash() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=leash, daemon=True).start()
    kinds = {"stream": stream, "requests": requests}
    threads = [
        threading.Thread(target=run, args=(settings, say, stop))
        for kind, run in kinds.items()
        if settings[kind]
    ]
    for thread in threads:
        thread.start()
    stop.wait(settings["limit"])
    stop.set()
    for thread in threads:
        thread.join()
    say("end", time.time())
    os._exit(0)  # a resolver's thread may hang on; all is told


if __name__ == "__main__":
    main()
