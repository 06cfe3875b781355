"""What a test makes in the cloud: VMs, firewall rules, and whatever else, gone when it is over.

All of it has a name of the test's own and says in its description which run it is of, so that what
a killed run leaves is found (gkelab.leftovers).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.containers import told as told_by
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.leftovers import PREFIX
from gkelab.wait import until
from tests.support.outcomes import Outcome
from tests.support.places import ContainerPlace
from tests.support.probes import http
from tests.support.running import description
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, Google, body, done, message
from tests.support.vpc.router import Router, Status

MACHINE = "e2-small"
HTTP, LINE, DATAGRAM = 8080, 9000, 9001  # where the workload serves
CLOSED = 7777  # where it does not
# What the library calls one of a collection, in a request and as a message.
NOUNS = {
    "networks": ("network", "Network"),
    "subnetworks": ("subnetwork", "Subnetwork"),
    "firewalls": ("firewall", "Firewall"),
    "routes": ("route", "Route"),
    "instances": ("instance", "Instance"),
    "addresses": ("address", "Address"),
    "global_addresses": ("address", "Address"),
}


@dataclass(frozen=True)
class VM:
    """A VM that serves. `public` is its address outside, "" for none; `aliases` are its alias
    ranges without their lengths, where these are of one address."""

    name: str
    zone: str
    address: str
    public: str
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    place: ContainerPlace

    @property
    def nic(self) -> str:
        """The name of its interface."""
        return "nic0"


def vm_of(instance: Body, place: ContainerPlace) -> VM:
    """An instance as the cloud tells of it."""
    (nic,) = instance["networkInterfaces"]
    configs = nic.get("accessConfigs") or [{}]
    return VM(
        name=instance["name"],
        zone=instance["zone"].rpartition("/")[2],
        address=nic["networkIP"],
        public=configs[0].get("natIP", ""),
        aliases=tuple(
            one["ipCidrRange"].removesuffix("/32") for one in nic.get("aliasIpRanges", ())
        ),
        tags=tuple(instance.get("tags", {}).get("items", ())),
        place=place,
    )


@dataclass
class Made:
    """A test's things in the cloud. `name` is what its own begin with."""

    lab: Lab
    google: Google
    router: Router
    name: str
    _undo: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    @property
    def description(self) -> str:
        """What marks them."""
        return description()

    @property
    def network(self) -> str:
        """The lab's network, as a link."""
        return f"global/networks/{self.lab.plan.network}"

    @property
    def zone(self) -> str:
        """Where its VMs are unless it is said: with the first cluster's first worker."""
        return self.lab.plan.clusters[0].workers[0].zone

    def own(self, name: str) -> str:
        """A name of the test's own."""
        return f"{self.name}-{name}"

    def where(self, scope: str) -> dict[str, str]:
        """The words of a request that say where: scope is "", zones/Z or regions/R."""
        sort, _, place = scope.partition("/")
        said = {sort[:-1]: place} if place else {}
        return {"project": self.google.project, **said}

    def insert(self, collection: str, scope: str, said: Body) -> Body:
        """Make a resource that goes with the test; as the cloud then has it."""
        noun, kind = NOUNS[collection]
        client, where = getattr(self.google, collection), self.where(scope)
        wanted = message(kind, {"description": self.description, **said})
        undo = partial(self.delete, collection, scope, said["name"])
        self._undo.append((f"{collection} {scope} {said['name']}", undo))
        done(client.insert(**where, **{f"{noun}_resource": wanted}))
        return body(client.get(**where, **{noun: said["name"]}))

    def delete(self, collection: str, scope: str, name: str) -> None:
        """Delete a resource, which may be gone already."""
        noun, _ = NOUNS[collection]
        try:
            client = getattr(self.google, collection)
            done(client.delete(**self.where(scope), **{noun: name}))
        except NotFound:
            pass
        self._undo = [one for one in self._undo if one[0] != f"{collection} {scope} {name}"]

    def firewall(self, said: Body) -> Body:
        """Make a firewall rule of the lab's network."""
        return self.insert("firewalls", "", {"network": self.network, **said})

    def another_network(self, name: str) -> str:
        """Make a custom mode network; its link."""
        made = {"name": self.own(name), "autoCreateSubnetworks": False}
        self.insert("networks", "", made)
        return f"global/networks/{self.own(name)}"

    def subnet(self, name: str, primary: IPv4Network, *, network: str = "") -> Body:
        """Make a subnet in the region of its VMs, of the lab's network unless it is said, and wait
        until it is real: a docker network of its own, on which the router has its address."""
        said: Body = {"name": self.own(name), "ipCidrRange": str(primary)}
        region = f"regions/{self.zone.rpartition('-')[0]}"
        inserted = self.insert("subnetworks", region, {"network": network or self.network, **said})
        link = f"{region}/subnetworks/{said['name']}"
        until(
            lambda: (self.real(link), self.router.status().interfaces.get(said["name"])),
            all,
            what=f"{link} is real",
            timeout=TIMEOUTS.machine,
            interval=0.2,
            describe=lambda _: self._left_out(),
            tolerant=True,
        )
        return inserted

    def _left_out(self) -> str:
        try:
            return "; ".join(map(str, machines_of(self.lab)["left_out"]))
        except LabError as error:
            return error.message

    def real(self, link: str) -> str:
        """The docker network that is a subnet, by its link from regions/ on; "" for none."""
        return str(machines_of(self.lab)["subnets"].get(link, ""))

    def vm(
        self,
        name: str,
        *,
        tags: Sequence[str] = (),
        aliases: Sequence[Body] = (),
        public: bool = False,
        forward: bool = False,
        zone: str = "",
        subnet: str = "",
        address: str = "",
        wait: bool = True,
    ) -> VM:
        """Make a VM, and wait until it serves. `aliases` are as in Compute; `address` is its
        primary one, "" for any that is free."""
        zone = zone or self.zone
        found = subnet or self.lab.plan.clusters[0].subnet.name
        nic: dict[str, Any] = {
            "subnetwork": f"regions/{zone.rpartition('-')[0]}/subnetworks/{found}",
            "aliasIpRanges": list(aliases),
            "accessConfigs": [{"name": "external-nat", "type": "ONE_TO_ONE_NAT"}] * public,
        }
        if address:
            nic["networkIP"] = address
        said: Body = {
            "name": self.own(name),
            "machineType": f"zones/{zone}/machineTypes/{MACHINE}",
            "canIpForward": forward,
            "tags": {"items": list(tags)},
            "networkInterfaces": [nic],
        }
        instance = self.insert("instances", f"zones/{zone}", said)
        made = vm_of(instance, self.place(said["name"]))
        if wait:
            self.until_serving(made)
        return made

    def place(self, instance: str) -> ContainerPlace:
        """Where a VM is."""
        return ContainerPlace(self.lab.docker, f"{self.lab.name}-vm-{instance}")

    def again(self, vm: VM) -> VM:
        """The VM as the cloud has it now."""
        return vm_of(self.instance(vm.name, vm.zone), vm.place)

    def instance(self, name: str, zone: str) -> Body:
        """An instance as the cloud has it now."""
        found = self.google.instances.get(**self.where(f"zones/{zone}"), instance=name)
        return body(found)

    def until_serving(self, vm: VM) -> None:
        """Wait until the VM answers itself; whether others reach it is what tests are about."""
        until(
            lambda: http(vm.place, f"http://127.0.0.1:{HTTP}/", timeout=TIMEOUTS.short),
            lambda answer: answer.outcome is Outcome.OK and answer.who == vm.name,
            what=f"{vm.place.name} serves",
            timeout=TIMEOUTS.machine,
        )

    def applied(self) -> Status:
        """Wait until packets meet what was written so far."""
        cloud = RestCloud(self.google.endpoint, self.google.project)
        return self.router.until_applied(cloud.generation())

    def on_close(self, name: str, undo: Callable[[], object]) -> None:
        """Do this when the test is over, before what was made earlier goes."""
        self._undo.append((name, undo))

    def close(self) -> None:
        """Undo all, the last first. The first error is raised when all has been tried."""
        failed: list[Exception] = []
        while self._undo:
            _, undo = self._undo.pop()
            try:
                undo()
            except Exception as error:  # noqa: BLE001 - the rest must still go
                failed.append(error)
        if failed:
            raise failed[0]


def google_of(lab: Lab) -> Google:
    """Google's client at the lab's cloud. Raises LabError where it is not known."""
    place = recorded(lab.cloud_file)
    return Google(place.endpoint, place.project)


def machines_of(lab: Lab) -> Body:
    """What tells of itself that makes VMs and later subnets real. LabError while it tells
    nothing."""
    return told_by(lab, "machines")


def router_of(lab: Lab) -> Router:
    """The lab's VPC router."""
    return Router(lab.docker, f"{lab.name}-router")


def internet_of(lab: Lab) -> ContainerPlace:
    """The client on the internet."""
    return ContainerPlace(lab.docker, f"{lab.name}-client")


@contextmanager
def making(lab: Lab, path: Path) -> Iterator[Made]:
    """What a test file makes, gone after the block."""
    name = unique(path.stem, secrets.token_hex(3))
    made = Made(lab, google_of(lab), router_of(lab), name)
    try:
        yield made
    finally:
        made.close()


def unique(stem: str, token: str) -> str:
    """What the names of a test file's resources begin with: names have room for 63 letters."""
    short = stem.removeprefix("test_").replace("_", "-")[:24].strip("-")
    return f"{PREFIX}{short}-{token}"
