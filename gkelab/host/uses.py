"""Which single addresses this host itself must reach: no range of the lab may hide them.

The lab puts unreachable routes under its made-up ranges. On some machines a proxy or a package
mirror lives in such a range (a documentation range, say), and would be cut off.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

from gkelab.shell import CommandError, Runner
from gkelab.supply import debian
from gkelab.timeouts import TIMEOUTS
from gkelab.topology import Claim

# systemd-resolved's own file names the servers behind its stub at 127.0.0.53.
RESOLV_CONFS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
PROXIES = ("http_proxy", "https_proxy", "all_proxy")

Resolve = Callable[[str], Iterable[str]]


def ipv4_of(host: str) -> list[str]:
    """The IPv4 addresses of a name. Raises OSError when it has none, UnicodeError when it is no
    name."""
    found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def host_claims(run: Runner) -> list[Claim]:
    """The addresses that this host must reach, from its own settings."""
    texts = [path.read_text() for path in RESOLV_CONFS if os.access(path, os.R_OK)]
    mirrors = mirror_hosts(run, debian.mirror(), os.environ)
    return addresses_in_use("\n".join(texts), mirrors, ipv4_of, proxies=proxy_hosts(os.environ))


def addresses_in_use(
    resolv_conf: str,
    mirrors: Sequence[str],
    resolve: Resolve,
    *,
    proxies: Sequence[str] = (),
    limit: float = TIMEOUTS.look_ups,
) -> list[Claim]:
    """A claim for each address of this host's name servers, its proxies and its package mirrors.

    `resolv_conf` is that file's text, `mirrors` and `proxies` are host names or addresses.
    Lookups take `limit` seconds together; those that fail or take longer are passed over. Of
    several owners of an address the first is named, addresses of this machine itself are left out.
    """
    owners = {host: f"the address of the package mirror {host}" for host in mirrors}
    owners |= {host: f"the address of the proxy {host}" for host in proxies}
    answers = _look_up(list(owners), resolve, limit)
    pairs = [(text, "the address of this host's name server") for text in servers(resolv_conf)]
    pairs += [(text, owners[host]) for host in owners for text in answers.get(host, ())]
    owned: dict[IPv4Address, str] = {}
    for text, owner in pairs:
        address = _address(text)
        if address and not address.is_loopback and not address.is_unspecified:
            owned.setdefault(address, owner)
    return [Claim(IPv4Network(address), owner) for address, owner in owned.items()]


def servers(resolv_conf: str) -> list[str]:
    """The addresses, IPv6 ones too, that a resolv.conf's text names as servers."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


def mirror_hosts(run: Runner, archive: str, env: Mapping[str, str]) -> list[str]:
    """The hosts of the package mirrors that apt (`archive` is its URL), go and pip are set to."""
    modules = env.get("GOPROXY") or _setting(run, ["go", "env", "GOPROXY"])
    index = env.get("PIP_INDEX_URL") or _setting(run, ["pip", "config", "get", "global.index-url"])
    return _hosts([archive, *modules.replace("|", ",").split(","), index])


def proxy_hosts(env: Mapping[str, str]) -> list[str]:
    """The hosts of the proxies that the environment names, in either case."""
    return _hosts(env.get(name, "") for key in PROXIES for name in (key, key.upper()))


def _setting(run: Runner, argv: Sequence[str]) -> str:
    """What a program says of its setting; "" where it is not there, has none, or takes long."""
    if shutil.which(argv[0]) is None:
        return ""
    try:
        # A go.mod nearby could make go fetch another toolchain first.
        limit = TIMEOUTS.mirror_setting
        done = run(argv, env={"GOTOOLCHAIN": "local"}, check=False, timeout=limit)
    except CommandError:
        return ""
    return done.stdout.strip() if done.code == 0 else ""


def _hosts(urls: Iterable[str]) -> list[str]:
    """The hosts of those that are URLs, each once (GOPROXY also holds `direct` and `off`)."""
    found = (_host(url.strip()) for url in urls)
    return list(dict.fromkeys(host for host in found if host))


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _look_up(hosts: Sequence[str], resolve: Resolve, limit: float) -> dict[str, list[str]]:
    """The addresses of those hosts that are found in time. The threads are daemons, as nothing
    ends a lookup that hangs, and the process must not wait for it."""
    answers: dict[str, list[str]] = {}

    def look(host: str) -> None:
        try:
            answers[host] = list(resolve(host))
        except (OSError, UnicodeError):
            return

    threads = [threading.Thread(target=look, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return dict(answers)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
