#!/usr/bin/python3
"""What `invoke bench.fabric` measures with, at both ends; every answer is one JSON object.

`serve` answers what the others ask: iperf3, and an echo over TCP. `throughput` is one iperf3
stream, with the CPU seconds that the whole machine was busy meanwhile (of /proc/stat, which is the
machine's in a container, too). `ask` is a byte there and back, again and again, on one connection
or (--fresh) on a new one each time. `send` and `receive` are numbered datagrams one way, at a
steady pace until standard input ends: nobody answers, so that each is a new packet to a firewall
that lets pass what belongs to a connection. Times are seconds of the monotonic clock, which all
containers of a machine share.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

ECHO, IPERF = 9003, 5201
NUMBER = struct.Struct("!Q")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT, which would use up ports
TIMEOUT = 10.0
# Fields of the first line of /proc/stat that are work; guests' time is in the first two.
USER, NICE, SYSTEM, IRQ, SOFTIRQ = 0, 1, 2, 5, 6


def busy(text, ticks):
    """The CPU seconds that the machine has worked, by /proc/stat; `ticks` a second."""
    fields = [int(word) for word in text.split("\n", 1)[0].split()[1:]]
    return sum(fields[i] for i in (USER, NICE, SYSTEM, IRQ, SOFTIRQ)) / ticks


def read_busy():
    with open("/proc/stat") as file:
        return busy(file.read(), os.sysconf("SC_CLK_TCK"))


def serve(_):
    child = subprocess.Popen(["iperf3", "--server", "--port", str(IPERF)], stdout=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with socket.create_server(("", ECHO), backlog=128) as listener:
        print("serving", flush=True)
        threading.Thread(target=end_with, args=(child,), daemon=True).start()
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=echo, args=(sock,), daemon=True).start()


def end_with(child):
    child.wait()
    os._exit(1)


def echo(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        try:
            while data := sock.recv(64):
                sock.sendall(data)
        except ConnectionError:
            pass


def throughput(told):
    argv = ["iperf3", "--client", told.host, "--port", str(IPERF), "--json"]
    before, began = read_busy(), time.monotonic()
    said = subprocess.run([*argv, "--time", str(told.seconds)], capture_output=True, check=False)
    took, after = time.monotonic() - began, read_busy()
    answer = json.loads(said.stdout or "{}")
    if said.returncode or "error" in answer:
        sys.exit(f"iperf3: {answer.get('error', said.stderr.decode())}")
    received = answer["end"]["sum_received"]
    return {
        "bits": received["bytes"] * 8,
        "seconds": received["seconds"],
        "busy": after - before,
        "took": took,
    }


def quiet(told):
    """How busy the machine is by itself."""
    before, began = read_busy(), time.monotonic()
    time.sleep(told.seconds)
    return {"busy": read_busy() - before, "took": time.monotonic() - began}


def connect(told):
    sock = socket.create_connection((told.host, ECHO), timeout=TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return sock


def ask(told):
    times = []
    one = None if told.fresh else connect(told)
    began = time.monotonic()
    until = began + told.seconds
    last = began
    while last < until:
        sock = one or connect(told)
        sock.sendall(b"x")
        if sock.recv(1) != b"x":
            sys.exit("the echo ended")
        if one is None:
            sock.close()
        now = time.monotonic()
        times.append(now - last)
        last = now
    times.sort()
    return {
        "transactions": len(times),
        "seconds": last - began,
        "p50": times[len(times) // 2],
        "p99": times[len(times) * 99 // 100],
    }


def leash():
    """An event that is set when standard input ends."""
    ended = threading.Event()

    def read():
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    return ended


def send(told):
    ended = leash()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Of its own port, so that it is one flow to each port there.
        sock.bind(("", 0))
        times = []
        due = time.monotonic()
        while not ended.wait(max(0.0, due - time.monotonic())):
            number = NUMBER.pack(len(times))
            times.append(time.monotonic())
            for port in told.ports:
                try:
                    sock.sendto(number, (told.host, port))
                except OSError as bad:
                    # One that a firewall's answer refused is lost, as any other.
                    print(bad, file=sys.stderr)
            due = max(due + told.every, time.monotonic())
    return {"times": times}


def receive(told):
    ended = leash()
    found = {port: [] for port in told.ports}
    with selectors.DefaultSelector() as selector:
        for port in told.ports:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind(("", port))
            selector.register(sock, selectors.EVENT_READ, found[port])
        print("receiving", flush=True)
        while not ended.is_set():
            for key, _ in selector.select(0.1):
                key.data.append(NUMBER.unpack(key.fileobj.recv(64))[0])
    return {"received": {str(port): numbers for port, numbers in found.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(does, *, host=True):
        it = commands.add_parser(does.__name__)
        it.set_defaults(does=does)
        if host:
            it.add_argument("host")
        return it

    command(serve, host=False)
    for does in (throughput, ask):
        command(does).add_argument("--seconds", type=int, default=3)
    commands.choices["ask"].add_argument("--fresh", action="store_true")
    command(quiet, host=False).add_argument("--seconds", type=int, default=3)
    sending = command(send)
    sending.add_argument("--every", type=float, default=0.002, help="seconds")
    for it in (sending, command(receive, host=False)):
        it.add_argument("--ports", type=int, nargs="+", required=True)
    told = parser.parse_args()
    print(json.dumps(told.does(told)), flush=True)


if __name__ == "__main__":
    main()
