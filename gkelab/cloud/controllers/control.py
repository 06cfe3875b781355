"""A cluster's controllers at work: what should be, what is, and the difference written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gkelab.cloud.client import Cloud, CloudError
from gkelab.cloud.controllers import gcpfirewalls, nodes, rules, services
from gkelab.cloud.controllers.cluster import Body, Cluster
from gkelab.cloud.controllers.gcpfirewalls import Outcome
from gkelab.cloud.mirror import State
from gkelab.errors import LabError

_LOG = logging.getLogger("gkelab.cloud.controllers")
# How often a write is tried whose fingerprint somebody else's write has made an old one.
TRIES = 4
WriteStatus = Callable[[str, Body], None]


@dataclass(frozen=True)
class Seen:
    """A cluster's objects, by kind; None for what could not be seen yet."""

    nodes: list[Body] | None
    services: list[Body] | None
    gcpfirewalls: list[Body] | None
    kube_system_uid: str


@dataclass
class Controllers:
    """The controllers of one cluster, writing to a cloud. `network` is the VPC's name."""

    cluster: Cluster
    cloud: Cloud
    network: str
    write_status: WriteStatus
    now: Callable[[], str] = field(default=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def step(self, seen: Seen, state: State) -> list[str]:
        """Make it so once: of what was not seen nothing is changed. What could not be done, a
        sentence each. Raises LabError when the cloud does not answer."""
        problems: list[str] = []
        if seen.nodes is not None:
            problems += self._nodes(seen.nodes, state)
        if seen.services is not None and seen.kube_system_uid:
            problems += self._services(seen.services, seen.kube_system_uid, state)
        if seen.gcpfirewalls is not None:
            problems += self._gcpfirewalls(seen.gcpfirewalls, state)
        return problems

    def _nodes(self, listed: list[Body], state: State) -> list[str]:
        updates = nodes.alias_updates(listed, state.all("instances"), self.cluster)
        problems = list(updates.problems)
        for update in updates.steps:
            _LOG.info("instance %s: podCIDR %s", update.instance, update.pod_cidr or "none")
            try:
                self._update(update)
            except CloudError as error:
                problems.append(f"instance {update.instance}: {error.message}")
        return problems

    def _update(self, update: nodes.Update) -> None:
        """Write an interface's alias ranges, on top of whatever somebody else wrote meanwhile."""
        for left in reversed(range(TRIES)):
            try:
                nic = self._fresh(update)
                wanted = nodes.aliases(nic, update.pod_cidr, self.cluster)
                if wanted != nic.get("aliasIpRanges", []):
                    self._write(update, nic, wanted)
                return
            except CloudError as error:
                if error.code == 404:
                    return  # the instance is gone
                if error.code != 412 or not left:
                    raise

    def _fresh(self, update: nodes.Update) -> Body:
        instance = self.cloud.get("instances", update.scope, update.instance)
        return dict(instance["networkInterfaces"][0])

    def _write(self, update: nodes.Update, nic: Body, wanted: list[Body]) -> None:
        said = {
            "instance": update.instance,
            "networkInterface": nic["name"],
            "networkInterfaceResource": {
                "aliasIpRanges": wanted,
                "fingerprint": nic["fingerprint"],
            },
        }
        self.cloud.write("update_network_interface", "instances", update.scope, said)

    def _services(self, listed: list[Body], uid: str, state: State) -> list[str]:
        made = services.service_rules(listed, self.cluster, uid, self.network)
        ours = services.is_ours(self.cluster, uid)
        failed = self._apply(rules.diff(made.wanted, state.all("firewalls"), ours))
        return [*made.problems, *failed.values()]

    def _gcpfirewalls(self, listed: list[Body], state: State) -> list[str]:
        made = gcpfirewalls.gcpfirewall_rules(listed, self.cluster, self.network)
        ours = gcpfirewalls.is_ours(self.cluster)
        failed = self._apply(rules.diff(made.wanted, state.all("firewalls"), ours))
        return [*failed.values(), *self._statuses(listed, made.outcomes, failed, state.project)]

    def _statuses(
        self,
        listed: Iterable[Body],
        outcomes: Mapping[str, Outcome],
        failed: Mapping[str, str],
        project: str,
    ) -> list[str]:
        problems = []
        for thing in listed:
            name = thing["metadata"]["name"]
            outcome = outcomes.get(name)
            if outcome is None:
                continue  # it is being deleted
            if outcome.rule in failed:
                outcome = Outcome("SyncError", failed[outcome.rule])
            status = gcpfirewalls.status(thing, outcome, project, self.now())
            if status is not None:
                try:
                    self.write_status(name, status)
                except LabError as error:
                    problems.append(error.message)
        return problems

    def _apply(self, changes: rules.Changes) -> dict[str, str]:
        """Write firewall rules; why not, by the names of those that could not be."""
        failed = {
            name: f"The firewall rule {name} is somebody else's and is left alone"
            for name in changes.refused
        }
        writes: list[tuple[str, str, Callable[[], Any]]] = []
        for rule in changes.insert:
            writes.append(("insert", rule["name"], lambda r=rule: self._insert(r)))  # type: ignore[misc]
        for rule in changes.update:
            writes.append(("update", rule["name"], lambda r=rule: self._replace(r)))  # type: ignore[misc]
        for name in changes.delete:
            writes.append(("delete", name, lambda n=name: self._delete(n)))  # type: ignore[misc]
        for verb, name, write in writes:
            _LOG.info("%s firewall rule %s", verb, name)
            try:
                write()
            except CloudError as error:
                failed[name] = f"The firewall rule {name} cannot be written: {error.message}"
        return failed

    def _insert(self, rule: Body) -> None:
        self.cloud.insert("firewalls", "global", rule)

    def _replace(self, rule: Body) -> None:
        said = {"firewall": rule["name"], "firewallResource": rule}
        self.cloud.write("update", "firewalls", "global", said)

    def _delete(self, name: str) -> None:
        try:
            self.cloud.delete("firewalls", "global", name)
        except CloudError as error:
            if error.code != 404:
                raise
