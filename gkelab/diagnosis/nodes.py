"""What docker says of a lab's containers, and what is inside of those that run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial

from gkelab.containers import FIREWALL_LOG, STATUS
from gkelab.diagnosis.bundle import Collector, Group, Source, said
from gkelab.diagnosis.scrub import without_env_values
from gkelab.lab import Lab
from gkelab.tools.docker import LABEL, ROLE, Container

TAIL = 1000  # lines of a log

# Of every container: how packets find their way.
NETWORK = {
    "addresses.txt": ["ip", "-details", "-statistics", "address", "show"],
    "routes.txt": ["ip", "route", "show", "table", "all"],
    "rules.txt": ["ip", "rule", "show"],
    "neighbours.txt": ["ip", "neighbour", "show"],
    "sockets.txt": ["ss", "--tcp", "--udp", "--listening", "--numeric"],
}
# Of nodes besides: its own programs, whose logs the API does not have.
NODE = {
    "nftables.txt": ["nft", "list", "ruleset"],
    "iptables.txt": ["iptables-save"],
    "sysctls.txt": ["sysctl", "--all", "--ignore", "--pattern", r"^(net|fs\.inotify|kernel\.pid)"],
    "containers.txt": ["crictl", "ps", "--all"],
    "kubelet.log": ["journalctl", "--no-pager", "--unit=kubelet", f"--lines={TAIL}"],
    "containerd.log": ["journalctl", "--no-pager", "--unit=containerd", f"--lines={TAIL}"],
    # What no API server can tell when it is the one that is broken.
    "control-plane.log": [
        *("sh", "-c"),
        "for log in /var/log/containers/kube-*.log /var/log/containers/etcd-*.log;"
        ' do [ ! -e "$log" ] || { echo "== $log"; tail -n 200 "$log"; }; done',
    ],
}

# Of what makes the cloud's state real, or writes to it: how it is, by its own word.
TELLS = {"status.json": ["cat", STATUS]}
ROUTER = {
    "nftables.txt": ["nft", "list", "ruleset"],
    "delays.txt": ["tc", "-statistics", "qdisc", "show"],
    "connections.txt": ["conntrack", "--stats"],
    "sysctls.txt": ["sysctl", "--all", "--ignore", "--pattern", r"^net\.ipv4\.(ip_forward|conf)"],
    "firewall.log": ["sh", "-c", f"tail --lines={TAIL} {FIREWALL_LOG} 2>&1"],
}
# Of the host's tables none but labs' own.
MACHINES = {
    "wires.txt": [
        *("sh", "-c"),
        "nft list tables netdev | grep -o 'gkelab-.*' |"
        ' while read -r table; do nft list table netdev "$table"; done',
    ]
}
# By role; those on the host's network have none of their own.
COMMANDS: dict[str, dict[str, list[str]]] = {
    "node": NETWORK | NODE,
    "router": NETWORK | ROUTER | TELLS,
    "machines": TELLS | MACHINES,
    "controllers": TELLS,
}


def container_sources(lab: Lab) -> list[Source]:
    """All of a lab's containers, running or not."""
    return [
        Collector("docker/containers.json", partial(_inspected, lab)),
        Collector("docker/networks.json", partial(_networks, lab)),
        Group("containers", partial(_inside, lab)),
    ]


def _inside(lab: Lab) -> list[Collector]:
    found: list[Collector] = []
    for container in lab.docker.containers({LABEL: lab.name}):
        folder = f"containers/{container.name}"
        log = partial(lab.docker.logs, container.name, tail=TAIL)
        found.append(Collector(f"{folder}/docker.log", log))
        if container.state != "running":
            found.append(Collector(f"{folder}/state.txt", partial(_state, container)))
            continue
        for file, argv in _commands(container).items():
            found.append(Collector(f"{folder}/{file}", partial(_exec, lab, container.name, argv)))
    return found


def _commands(container: Container) -> Mapping[str, Sequence[str]]:
    return COMMANDS.get(container.labels.get(ROLE, ""), NETWORK)


def _state(container: Container) -> str:
    return f"{container.name} is {container.state}, so nothing was asked inside of it\n"


def _exec(lab: Lab, container: str, argv: Sequence[str]) -> str:
    return said(lab.docker.exec(container, argv, check=False))


def _inspected(lab: Lab) -> str:
    names = [container.id for container in lab.docker.containers({LABEL: lab.name})]
    told = [without_env_values(raw) for raw in lab.docker.inspect(names)]
    return json.dumps(told, indent=1) + "\n"


def _networks(lab: Lab) -> str:
    names = [network.id for network in lab.docker.networks({LABEL: lab.name})]
    return lab.run(["docker", "network", "inspect", *names]).stdout if names else "[]\n"
