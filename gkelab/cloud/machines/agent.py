"""Making the machines real, again and again: what docker has is compared with what the cloud says,
and the difference carried out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path

from gkelab.cloud.machines.links import Links, macs_of
from gkelab.cloud.machines.making import Made, Making
from gkelab.cloud.machines.network import (
    DEVICE,
    QUESTIONS,
    Network,
    commands,
    local_commands,
    parse,
    wanted_network,
)
from gkelab.cloud.machines.patience import Patience
from gkelab.cloud.machines.plan import NODE, VM, Action, Plan, Seen, plan, seen
from gkelab.cloud.machines.ports import Isolation, guarded, opened
from gkelab.cloud.machines.status import Status
from gkelab.cloud.machines.wanted import (
    INSTANCE,
    NUMBER,
    SPEC,
    Machine,
    SubnetNetwork,
    Wanted,
    subnet_networks,
    wanted,
)
from gkelab.cloud.machines.ways import Ways
from gkelab.cloud.machines.wires import Wires
from gkelab.cloud.mirror import State
from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.tools.docker import LABEL, ROLE, Docker
from gkelab.tools.docker import Network as DockerNetwork
from gkelab.tools.lab_network import SUBNET
from gkelab.tools.nft import Nft

_LOG = logging.getLogger("gkelab.cloud.machines")
# What a machine runs begins when it is in the VPC, as on a VM that has booted: docker's address,
# a whole subnet's, is the last that goes (network.commands).
BOOT = (
    f'while ip -4 -oneline address show dev {DEVICE} | grep -qv "/32 "; do sleep 0.05; done; '
    'exec "$@"'
)


@dataclass(frozen=True)
class Settings:
    """`image` is what VMs have, `command` the program of it that they run; `ranges` are the lab's
    own, which leave a VM for the router alone; `status` is the file that tells how it is;
    `declared` are the subnets that `up` makes, by their links from regions/ on."""

    lab: str
    image: str
    command: tuple[str, ...]
    ranges: tuple[IPv4Network, ...]
    status: Path | None
    declared: tuple[str, ...] = ()


@dataclass
class Agent:
    """The realizer of a lab's machines."""

    settings: Settings
    run: Runner
    now: Callable[[], float]
    known: dict[tuple[str, str], Network] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.docker = Docker(self.run)
        isolation = Isolation(self.run, self.docker, {})
        self.wires = Wires(self.settings.lab, Nft(self.run))
        self.links = Links(self.run, self.docker, isolation, self.wires)
        self.patience = Patience(self.now)
        self.status = Status(self.settings.status)
        told = self.settings
        self.making = Making(self.run, self.docker, told.lab, told.declared, told.ranges)
        self.ways = Ways(self.docker)

    def step(self, state: State | None, away: str = "", *, thorough: bool = False) -> float | None:
        """Make it so once. Without a state (the cloud has not answered yet) no machine is
        touched. `thorough` looks into machines that nothing is known to have happened to. The
        seconds after which it should be tried again, None if nothing waits.

        Raises LabError when docker does not answer.
        """
        if thorough:
            self.known.clear()
            self.ways.forget()
            self.links.forget()
        networks = self._networks()
        made, refused = Wanted({}, ()), [away] if away else []
        subnets, left_out = Made(), list[str]()
        if state is not None:
            subnets, networks = self._subnets(state, networks)
            vms = (one for one in self._containers() if one.role == VM)
            kept = {one.labels.get(INSTANCE, ""): one.name for one in vms}
            made = wanted(state, self.settings.lab, self._by_link(networks), kept)
            steps = self._plan(made)
            refused += [*subnets.problems, *self._carry_out(steps)]
            refused += self._clear(subnets.going)
            left_out = [*subnets.left_out, *steps.left_out]
        containers = self._containers()
        direct = opened(state.all("instances")) if state else frozenset()
        real = self._by_link(networks)
        machines = guarded(containers, real.values())
        held = self.links.hold(machines, containers, macs_of(state, made), direct)
        refused += [*held.problems, *self._configure(made, containers)]
        if state is not None:
            nodes = {node: on for node, on in machines.items() if node.role == NODE}
            refused += self._ways(nodes, subnets)
        self.status.tell(
            state.generation if state else None,
            made.machines,
            {container.name: container.state for container in containers},
            {
                "isolated": held.isolated,
                "wired": held.wired,
                "subnets": {link: on.name for link, on in real.items()},
            },
            {"problems": refused, "left_out": left_out, "bridged": held.bridged},
        )
        return self.patience.take()

    def close(self) -> None:
        """Leave nothing that needs this process to be right."""
        self.wires.clear()

    def _networks(self) -> list[DockerNetwork]:
        return self.docker.networks({LABEL: self.settings.lab, ROLE: SUBNET})

    def _by_link(self, networks: Iterable[DockerNetwork]) -> dict[str, SubnetNetwork]:
        return subnet_networks(self.settings.lab, self.settings.declared, networks)

    def _subnets(
        self, state: State, networks: list[DockerNetwork]
    ) -> tuple[Made, list[DockerNetwork]]:
        """Make subnets real; the docker networks on which machines may be then."""
        made = self.making.make(state, networks, self._containers())
        if made.problems:
            self.patience.failed()
        if made.changed:
            networks = self._networks()
        gone = {network.id for network in made.going}
        return made, [network for network in networks if network.id not in gone]

    def _clear(self, networks: Sequence[DockerNetwork]) -> list[str]:
        """Now that no machine is on them."""
        problems = self.making.clear(networks, self._containers()) if networks else []
        if problems:
            self.patience.failed()
        elif networks:
            self.patience.soon()  # one that is in their place may be made then
        return problems

    def _ways(self, nodes: Mapping[Seen, SubnetNetwork], subnets: Made) -> list[str]:
        problems = self.ways.tell(nodes, subnets.ranges | subnets.routed)
        if problems:
            self.patience.failed()
        return problems

    def _containers(self) -> list[Seen]:
        return [seen(raw) for raw in self.docker.labelled({LABEL: self.settings.lab})]

    def _plan(self, made: Wanted) -> Plan:
        containers = self._containers()
        names = {container.name for container in containers}
        missing = [name for name in made.machines if name not in names]
        foreign = [name for name in missing if self.docker.container(name) is not None]
        return plan(made, containers, foreign, self.settings.image)

    def _carry_out(self, steps: Plan) -> list[str]:
        """What could not be done, a sentence each."""
        failed = []
        for action in steps.actions:
            try:
                if not self._starts(action) or self.patience.allows(action.container):
                    _LOG.info("%s %s: %s", action.verb, action.container, action.why)
                    self._do(action)
                else:
                    failed.append(f"{action.container} is started again and again; it waits")
            except LabError as error:
                _LOG.warning("%s %s: %s", action.verb, action.container, error.message)
                failed.append(f"cannot {action.verb} {action.container}: {error.message}")
                self.patience.failed()
        return failed

    @staticmethod
    def _starts(action: Action) -> bool:
        return action.verb in ("create", "start", "restart")

    def _do(self, action: Action) -> None:
        name, machine = action.container, action.machine
        if action.verb == "create" and machine:
            self.run(self.argv(machine))
        elif action.verb == "remove":
            self.docker.remove_containers([name])
        elif action.verb == "stop":
            self.docker.stop([name], grace=2)
        elif action.verb == "start":
            self.docker.start([name])
        else:
            grace = ["--time", "2"] if action.verb == "restart" else []
            self.run(["docker", action.verb, *grace, name])

    def argv(self, machine: Machine) -> list[str]:
        """The command that starts a machine's container. Docker never starts it by itself: it
        would have docker's routes until it is seen."""
        lab, image = self.settings.lab, self.settings.image
        labels = {
            LABEL: lab,
            ROLE: VM,
            INSTANCE: machine.instance,
            NUMBER: machine.number,
            SPEC: machine.spec(image),
        }
        argv = ["docker", "run", "--detach", f"--name={machine.container}"]
        argv += [f"--hostname={machine.hostname}", f"--network={machine.network.name}"]
        # Neighbours learn of the MAC address that it is given later.
        argv += [f"--ip={machine.address}", "--sysctl=net.ipv4.conf.all.arp_notify=1"]
        argv += ["--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=no", "--init"]
        argv += [f"--label={key}={value}" for key, value in labels.items()]
        return [*argv, "--entrypoint=/bin/sh", image, "-c", BOOT, "sh", *self.settings.command]

    def _configure(self, made: Wanted, containers: list[Seen]) -> list[str]:
        """Have the running machines' addresses and routes be right; what could not be done.
        An alias range leaves its old machine before its new one has it."""
        by_name = {c.name: c for c in containers if c.running and c.role == VM}
        lives = {container.life for container in by_name.values()}
        self.known = {life: net for life, net in self.known.items() if life in lives}
        tasks = [
            (by_name[m.container], m) for m in made.machines.values() if m.container in by_name
        ]
        tasks.sort(key=lambda task: not self._loses(*task))
        failed = []
        for container, machine in tasks:
            try:
                self._configure_one(container, machine)
            except (LabError, ValueError) as error:
                self.known.pop(container.life, None)
                why = error.message if isinstance(error, LabError) else str(error)
                failed.append(f"the network of {machine.container} is not as it should be: {why}")
                self.patience.failed()
        return failed

    def _loses(self, container: Seen, machine: Machine) -> bool:
        known = self.known.get(container.life)
        return known is None or bool(known.local - frozenset(machine.aliases))

    def _configure_one(self, container: Seen, machine: Machine) -> None:
        want = wanted_network(machine, self.settings.ranges)
        known = self.known.get(container.life)
        if known == want:
            return
        if known and replace(known, local=want.local) == want:
            # An alias range that moves is in a hurry: the rest was right when last looked at.
            lines = "".join(f"{line}\n" for line in local_commands(known.local, want.local))
        else:
            ask = ["ip", "-json", "-4", "-batch", "-"]
            lines = commands(
                parse(self.docker.exec(container.id, ask, input=QUESTIONS).stdout), want
            )
        if lines:
            _LOG.info("%s: %s", machine.container, "; ".join(lines.splitlines()))
            self.docker.exec(container.id, ["ip", "-batch", "-"], input=lines)
        self.known[container.life] = want
