"""A docker that has containers, bridge ports and what `ip` shows inside, for tests of the agent."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import IO, Any

from gkelab.cloud.machines.agent import Agent, Settings
from gkelab.cloud.machines.wanted import SubnetNetwork
from gkelab.cloud.mirror import State
from gkelab.shell import CommandError, Result

LAB, IMAGE = "lab", "gkelab/vm:1"
US = SubnetNetwork(
    "gkelab.lab.us", IPv4Network("10.128.0.0/20"), "br-us", IPv4Address("10.128.0.1")
)
LINK = "regions/us-central1/subnetworks/us"
NETWORKS = {LINK: US}
BASE = "https://www.googleapis.com/compute/v1/projects/p"
START = "2026-01-01T00:00:00.000+00:00"


NETWORK: dict[str, Any] = {
    "Id": "n1" * 32,
    "Name": US.name,
    "IPAM": {"Config": [{"Subnet": str(US.range)}]},
    "Labels": {"gkelab.lab": LAB, "gkelab.role": "subnet"},
    "Options": {"com.docker.network.bridge.name": "br-us"},
    "Containers": {},
}


def instance(name: str, address: str = "10.128.0.5", **changes: Any) -> dict[str, Any]:
    """An instance in Compute's JSON; `aliases` are its alias ranges."""
    aliases = [{"ipCidrRange": a} for a in changes.pop("aliases", ())]
    nic = {
        "name": "nic0",
        "subnetwork": f"{BASE}/{changes.pop('subnet', LINK)}",
        "networkIP": address,
        **({"aliasIpRanges": aliases} if aliases else {}),
    }
    zone = changes.pop("zone", "us-central1-a")
    return {
        "name": name,
        "id": "7",
        "selfLink": f"{BASE}/zones/{zone}/instances/{name}",
        "status": "RUNNING",
        "lastStartTimestamp": START,
        "networkInterfaces": [nic],
        **changes,
    }


def state(*instances: Mapping[str, Any], generation: int = 1) -> State:
    """A state with these instances."""
    return State("p", generation, {"instances": [dict(i) for i in instances]})


def with_subnets(
    *subnets: Mapping[str, Any],
    instances: Sequence[Mapping[str, Any]] = (),
    networks: Sequence[Mapping[str, Any]] = (),
    routes: Sequence[Mapping[str, Any]] = (),
) -> State:
    """A state with the lab's own subnet and these, and what is in them."""
    every = [subnet("us", "10.128.0.0/20", "10.4.0.0/20", id="1"), *map(dict, subnets)]
    resources = {"subnetworks": every, "instances": [dict(i) for i in instances]}
    resources |= {"networks": [dict(n) for n in networks], "routes": [dict(r) for r in routes]}
    return State("p", 1, resources)


def route(name: str, destination: str, network: str = "net", **hop: str) -> dict[str, Any]:
    """A route in Compute's JSON."""
    link = f"{BASE}/global/networks/{network}"
    return {"name": name, "network": link, "destRange": destination, "priority": 1000, **hop}


def subnet(name: str, primary: str, *secondary: str, **changes: Any) -> dict[str, Any]:
    """A subnetwork in Compute's JSON."""
    region = changes.pop("region", "us-central1")
    return {
        "name": name,
        "id": "9",
        "creationTimestamp": START,
        "selfLink": f"{BASE}/regions/{region}/subnetworks/{name}",
        "network": f"{BASE}/global/networks/{changes.pop('network', 'net')}",
        "ipCidrRange": primary,
        "gatewayAddress": str(IPv4Network(primary)[1]),
        "secondaryIpRanges": [
            {"rangeName": f"more-{number}", "ipCidrRange": one}
            for number, one in enumerate(secondary)
        ],
        **changes,
    }


@dataclass
class FakeDocker:
    """A Runner that is docker, `ip` inside containers, and the host's `bridge`, `ip` and `ss`.
    `refuses` maps the first words of a command to what docker says against it; `routes` are the
    host's (Linux's JSON), `peers` what `ss` shows, `ways` what a node says of its routes, by its
    id, `config` the cluster's ConfigMap, `tables` what `nft` was given."""

    networks: list[dict[str, Any]] = field(default_factory=lambda: [copy.deepcopy(NETWORK)])
    routes: list[dict[str, Any]] = field(default_factory=list)
    ways: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    peers: str = ""
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    isolated: set[int] = field(default_factory=set)
    refuses: dict[tuple[str, ...], str] = field(default_factory=dict)
    clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(
        self,
        argv: Sequence[str],
        *,
        input: str | IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        log: Path | None = None,
    ) -> Result:
        words = list(argv)
        self.calls.append(words)
        said = next((why for w, why in self.refuses.items() if tuple(words[: len(w)]) == w), "")
        code, out = (1, "") if said else self._answer(words, input)
        result = Result(tuple(words), code, out, said)
        if check and code:
            raise CommandError(result)
        return result

    def _answer(self, words: list[str], given: Any) -> tuple[int, str]:  # noqa: C901, PLR0912
        match words:
            case ["docker", "network", "ls", *filters]:
                said = [word.removeprefix("label=").split("=", 1) for word in filters[3::2]]
                found = [n for n in self.networks if all(n["Labels"].get(k) == v for k, v in said)]
                return 0, "".join(f"{n['Id']}\n" for n in found)
            case ["docker", "network", "inspect", *ids]:
                return 0, json.dumps([n for n in self.networks if n["Id"] in ids])
            case ["docker", "network", "create", *flags]:
                self._network(flags)
            case ["docker", "network", "connect", "--ip", address, name, container]:
                joined = self.containers[container]["NetworkSettings"]["Networks"]
                joined[name] = {"IPAddress": address}
            case ["docker", "network", "disconnect", "--force", name, container]:
                del self.containers[container]["NetworkSettings"]["Networks"][name]
            case ["docker", "network", "rm", gone]:
                self.networks = [n for n in self.networks if n["Id"] != gone]
            case ["ip", "-json", "-4", "route", "show"]:
                return 0, json.dumps(self.routes)
            case ["ip", "route", "replace", "unreachable", network, *_]:
                self.routes.append({"dst": network, "type": "unreachable", "protocol": "71"})
            case ["ip", "route", "delete", "unreachable", network, *_]:
                self.routes = [r for r in self.routes if r["dst"] != network]
            case ["ss", *_]:
                return 0, self.peers
            case ["docker", "exec", name, "ip", "-json", *_]:
                return 0, json.dumps(self.ways.get(name, []))
            case ["docker", "exec", _, "kubectl", _, _, "get", *_]:
                return 0, json.dumps(self.config)
            case ["docker", "exec", _, "kubectl", *_]:
                pass
            case ["docker", "ps", *_]:
                ours = [c for c in self.containers.values() if "gkelab.lab" in labels(c)]
                return 0, "\n".join(c["Id"] for c in ours)
            case ["docker", "container", "inspect", *names]:
                there = [c for c in map(self.of, names) if c]
                return (0 if len(there) == len(names) else 1), json.dumps(there)
            case ["docker", "run", *flags]:
                return self._run(flags)
            case ["docker", "rm", *rest]:
                self.containers.pop(rest[-1])
            case ["docker", "stop", *rest]:
                self.containers[rest[-1]]["State"]["Status"] = "exited"
            case ["docker", "start" | "restart" | "unpause", *rest]:
                self._start(self.containers[rest[-1]])
            case ["docker", "exec", _, "cat", _]:
                return 0, f"{self._number(words[2])}\n"
            case ["nft", "-f", "-"]:
                self.tables.append(given)
            case ["docker", "exec", _, "sh", "-c", _]:
                number = self._number(words[2])
                return 0, f"1 00:00:00:00:00:00\n{number} 02:42:00:00:00:{number % 100:02}\n"
            case ["docker", "exec", "--interactive", name, "ip", "-json", *_]:
                return 0, f"{self.of(name)['ip']}\n"  # type: ignore[index]
            case ["docker", "exec", "--interactive", _, "ip", *_]:
                self.inputs.append(given)
            case ["bridge", "-details", *_]:
                return 0, json.dumps([self._port(c) for c in self.containers.values()])
            case ["bridge", "link", "set", "dev", port, "isolated", "on"]:
                self.isolated.add(int(port.removeprefix("veth")))
            case ["bridge", "link", "set", "dev", port, "isolated", "off"]:
                self.isolated.remove(int(port.removeprefix("veth")))
            case _:
                raise AssertionError(f"nobody expected {words}")
        return 0, ""

    def _network(self, words: list[str]) -> None:
        said = dict(zip(words[::2], words[1::2], strict=False))
        tags = [w for flag, w in itertools.pairwise(words) if flag == "--label"]
        number = f"{next(self.clock):02}" * 32
        made = {"Id": number, "Name": words[-1], "Labels": dict(t.split("=", 1) for t in tags)}
        self.networks.append(
            {**NETWORK, **made, "IPAM": {"Config": [{"Subnet": said["--subnet"]}]}, "Options": {}}
        )

    def _run(self, words: list[str]) -> tuple[int, str]:
        said = dict(word.removeprefix("--").partition("=")[::2] for word in words if "=" in word)
        tags = [w.removeprefix("--label=") for w in words if w.startswith("--label=")]
        address, names = f"{said['ip']}/20", dict(tag.split("=", 1) for tag in tags)
        self.add(said["name"], names, address=address, network=said["network"])
        return 0, "id\n"

    def add(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        status: str = "running",
        address: str = "10.128.0.2/20",
        network: str = US.name,
    ) -> dict[str, Any]:
        """A container, however it came to be."""
        number = len(self.containers) + 10 * next(self.clock)
        made: dict[str, Any] = {
            "Id": f"{number:04}",
            "Name": f"/{name}",
            "State": {"Status": status},
            "Config": {"Image": IMAGE, "Labels": dict(tags)},
            "NetworkSettings": {"Networks": {network: {"IPAddress": address.partition("/")[0]}}},
            "Mounts": [],
            "ip": interface(address),
        }
        self._start(made, status)
        self.containers[name] = made
        return made

    def of(self, name: str) -> dict[str, Any] | None:
        """A container by name or id."""
        every = self.containers.values()
        return next((c for c in every if name in (c["Id"], c["Name"][1:])), None)

    def _start(self, made: dict[str, Any], status: str = "running") -> None:
        second = next(self.clock)
        made["State"]["Status"] = status
        made["State"]["StartedAt"] = f"2026-01-02T00:{second // 60:02}:{second % 60:02}.123456789Z"

    def _number(self, name: str) -> int:
        return int(self.of(name)["Id"])  # type: ignore[index]

    def _port(self, container: Mapping[str, Any]) -> dict[str, Any]:
        number, (name, *_) = int(container["Id"]), container["NetworkSettings"]["Networks"]
        found = (n for n in self.networks if n["Name"] == name and name != US.name)
        return {
            "ifindex": number,
            "ifname": f"veth{number}",
            "master": next((f"br-{n['Id'][:12]}" for n in found), "br-us"),
            "isolated": number in self.isolated,
        }

    def changes(self) -> list[list[str]]:
        """The commands since the last time that did not only ask."""
        asked = ("ls", "inspect", "ps", "container", "-details", "-json", "-Htn4")
        done = [
            c
            for c in self.calls
            if c[1] not in asked
            and c[0] != "nft"
            and not (c[1] == "network" and c[2] in asked)
            and not (c[1] == "exec" and ("-json" in c or "cat" in c or "get" in c or "sh" in c))
        ]
        self.calls.clear()
        return done


def labels(container: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(container["Config"]["Labels"])


def interface(address: str) -> str:
    """What `ip` answers in a container that docker has just started."""
    ip, _, length = address.partition("/")
    link = [{"ifname": "eth0", "address": "02:42:0a:80:00:05"}]
    shown = [{"ifname": "eth0", "addr_info": [{"local": ip, "prefixlen": int(length)}]}]
    routes = [
        {"dst": "default", "gateway": str(IPv4Address("10.128.15.254")), "dev": "eth0"},
        {"dst": "10.128.0.0/20", "dev": "eth0", "protocol": "kernel", "scope": "link"},
    ]
    return "\n".join(json.dumps(part) for part in (shown, routes, [], link))


def agent(docker: FakeDocker, status: Path | None = None, **settings: Any) -> Agent:
    """An agent of the lab, with a clock that stands still."""
    made = Settings(LAB, IMAGE, ("serve",), settings.get("ranges", ()), status, (LINK,))
    return Agent(made, docker, settings.get("now", lambda: 100.0))
