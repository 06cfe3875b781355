"""Firewall rules' log, in Google's words (firewall/docs/vpc-log-format): a JSON line a connection.

As there, rules log connections of TCP and UDP alone; one that is denied again and again is told
of every five seconds (firewall/docs/vpc-firewall-rules-logging).
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from gkelab.cloud.router.fabric import Fabric, Nic, Pool, Rule, Service
from gkelab.cloud.router.nflog import Logged

NAMES = {1: "ICMP", 4: "IPIP", 6: "TCP", 17: "UDP", 50: "ESP", 51: "AH", 132: "SCTP"}
LOGGED = (6, 17)
AGAIN = 5.0
REMEMBERED = 10_000
LARGEST = 10 << 20


@dataclass(frozen=True)
class Connection:
    """The five that make a connection."""

    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    protocol: int

    @classmethod
    def of(cls, payload: bytes) -> Connection | None:
        """That of a packet; None where it has no ports."""
        if len(payload) < 20 or payload[0] >> 4 != 4:
            return None
        length = (payload[0] & 15) * 4
        if payload[9] not in LOGGED or len(payload) < length + 4:
            return None
        ports = struct.unpack_from(">HH", payload, length)
        return cls(
            IPv4Address(payload[12:16]), ports[0], IPv4Address(payload[16:20]), ports[1], payload[9]
        )


def record(fabric: Fabric, rule: Rule, connection: Connection, mac: str) -> dict[str, Any]:
    """What is told of a decision. Of an egress rule, who sent the frame is whose rule it is, also
    where the address is another's."""
    ends = (fabric.owner(connection.source), fabric.owner(connection.destination))
    sender = next((nic for nic in fabric.nics if mac and nic.mac == mac), ends[0])
    local, remote = (ends[1], ends[0]) if rule.ingress else (sender, ends[1])
    decision = "DENIED" if rule.deny else "ALLOWED"
    told: dict[str, Any] = {
        "connection": {
            "src_ip": str(connection.source),
            "src_port": connection.source_port,
            "dest_ip": str(connection.destination),
            "dest_port": connection.destination_port,
            "protocol": connection.protocol,
        },
        "disposition": decision,
        "rule_details": _details(rule),
    }
    if not rule.metadata:
        return told
    told |= _end("", fabric, local, rule.network)
    if remote:
        told |= _end("remote_", fabric, remote, rule.network)
    return told


def _details(rule: Rule) -> dict[str, Any]:
    details: dict[str, Any] = {
        "reference": f"network:{rule.network}/firewall:{rule.name}",
        "priority": rule.priority,
        "action": "DENY" if rule.deny else "ALLOW",
        "direction": rule.direction,
        "ip_port_info": [_service(service) for service in rule.services],
    }
    if rule.metadata:
        lists = {
            "source_range": [str(network) for network in rule.sources],
            "destination_range": [str(network) for network in rule.destinations],
            "source_tag": sorted(rule.source_tags),
            "target_tag": sorted(rule.target_tags),
        }
        details |= {key: value for key, value in lists.items() if value}
    return details


def _service(service: Service) -> dict[str, Any]:
    number = service.protocol
    name = "ALL" if number is None else NAMES.get(number, str(number))
    ports = [str(a) if a == b else f"{a}-{b}" for a, b in service.ports]
    return {"ip_protocol": name, **({"port_range": ports} if ports else {})}


def _end(prefix: str, fabric: Fabric, of: Nic | Pool | None, network: str) -> dict[str, Any]:
    vpc: dict[str, str] = {"project_id": fabric.project, "vpc_name": network}
    if of is None:
        return {f"{prefix}vpc": vpc}
    vpc |= {"vpc_name": of.network, "subnetwork_name": fabric.subnets_by_link[of.subnet].name}
    if isinstance(of, Pool):
        return {f"{prefix}vpc": vpc}
    instance = {
        "project_id": fabric.project,
        "vm_name": of.instance,
        "region": of.region,
        "zone": of.zone,
    }
    return {f"{prefix}instance": instance, f"{prefix}vpc": vpc}


@dataclass
class FirewallLog:
    """Writes records to a file, ten megabytes and as many before them. `rules` are the current
    ones by name, and those that were: a packet may be read after its rule is gone."""

    file: Path
    clock: Callable[[], float] = time.time
    fabric: Fabric = field(default_factory=Fabric)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    _seen: dict[tuple[str, Connection], float] = field(default_factory=dict)

    def know(self, fabric: Fabric) -> None:
        """What packets are told by from now on."""
        self.rules = {**self.rules, **{r.name: r for r in fabric.rules if r.logging}}
        self.fabric = fabric

    def take(self, logged: Logged) -> None:
        """Write what was logged, unless it was told of just before."""
        rule, connection = self.rules.get(logged.prefix), Connection.of(logged.payload)
        if rule is None or connection is None or not self._news(rule, connection):
            return
        now = self.clock()
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        told = {"timestamp": f"{seconds}.{int(now % 1 * 1e6):06d}Z"}
        told |= record(self.fabric, rule, connection, logged.mac)
        if self.file.exists() and self.file.stat().st_size > LARGEST:
            self.file.replace(self.file.with_name(f"{self.file.name}.1"))
        with self.file.open("a") as out:
            out.write(json.dumps(told, separators=(",", ":")) + "\n")

    def _news(self, rule: Rule, connection: Connection) -> bool:
        now, key = self.clock(), (rule.name, connection)
        before = self._seen.pop(key, None)
        recent = before is not None and now - before < AGAIN
        # Allowed, it is one connection as long as its packets follow each other.
        self._seen[key] = before if recent and rule.deny and before is not None else now
        while len(self._seen) > REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        return not recent
