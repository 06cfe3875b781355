"""`invoke vpc.show`: from what the cloud has to what a person asks of a VPC."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from gkelab import commands
from gkelab.cloud.client import Cloud
from gkelab.cloud.ensure import ensure
from gkelab.cloud.resources import resources
from gkelab.errors import LabError
from gkelab.vpc import commands as vpc
from gkelab.vpc.draw import draw
from gkelab.vpc.read import Resources, read
from gkelab.vpc.rules import rules_of
from gkelab.vpc.view import RangeView, VpcView, view
from tests.unit.cloud.servers import PROJECT, free_port
from tests.unit.cloud.test_resources import plan_of, pod_cidrs

NOTHING = Resources([], [], [], [], [], [])


@pytest.fixture
def lab(cloud: Cloud) -> Cloud:
    """The default lab's cloud, its nodes with their ranges."""
    plan = plan_of("vpc-native")
    ensure(cloud, resources(plan, pod_cidrs(plan)))
    return cloud


def seen(cloud: Cloud) -> VpcView:
    return view(cloud.project, read(cloud))


def drawn(found: VpcView, width: int = 160) -> str:
    out = io.StringIO()
    draw(found, Console(file=out, width=width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_subnets_and_the_use_of_their_ranges(lab: Cloud) -> None:
    (network,) = seen(lab).networks
    assert (network.name, network.mode, network.mtu, network.routing) == (
        *("default", "custom"),
        *(1460, "REGIONAL"),
    )
    (subnet,) = network.subnets
    assert (subnet.name, subnet.region, subnet.gateway) == (
        *("us-central1", "us-central1"),
        "10.128.0.1",
    )
    assert subnet.ranges == (
        RangeView("primary", "10.128.0.0/20", 4092, 4, 4088, 0),
        RangeView("pods", "10.0.0.0/20", 4096, 192, 3904, 3),
        RangeView("services", "10.0.16.0/25", 128, 0, 128, 0),
    )


def test_reserved_addresses_and_aliases_are_in_use_once(lab: Cloud) -> None:
    subnet = "regions/us-central1/subnetworks/us-central1"
    body = {"name": "kept", "addressType": "INTERNAL", "subnetwork": subnet}
    lab.insert("addresses", "regions/us-central1", {**body, "address": "10.128.9.9"})
    nic = lab.get("instances", "zones/us-central1-a", "vm-a")["networkInterfaces"][0]
    said = {
        "instance": "vm-a",
        "networkInterface": "nic0",
        "networkInterfaceResource": {
            "aliasIpRanges": [{"ipCidrRange": "10.128.10.0/28"}],
            "fingerprint": nic["fingerprint"],
        },
    }
    lab.write("update_network_interface", "instances", "zones/us-central1-a", said)
    found = seen(lab).networks[0]
    # Four machines, sixteen addresses of an alias range, one that is reserved.
    assert found.subnets[0].ranges[0] == RangeView("primary", "10.128.0.0/20", 4092, 21, 4071, 1)
    vm = found.instances[-1]
    assert [(alias.range, alias.network) for alias in vm.alias_ranges] == [
        ("primary", "10.128.10.0/28"),
    ]


def test_instances_by_their_addresses(lab: Cloud) -> None:
    found = seen(lab).networks[0].instances
    assert [(one.name, one.zone, one.address, one.public) for one in found] == [
        ("vpc-native-control-plane", "us-central1-a", "10.128.0.2", "203.0.113.0"),
        ("vpc-native-worker", "us-central1-a", "10.128.0.3", "203.0.113.1"),
        ("vpc-native-worker2", "us-central1-b", "10.128.0.4", "203.0.113.2"),
        ("vm-a", "us-central1-a", "10.128.8.2", ""),
    ]
    worker, vm = found[2], found[3]
    assert [(alias.range, alias.network) for alias in worker.alias_ranges] == [
        ("pods", "10.0.0.128/26"),
    ]
    assert (worker.cluster, worker.pool) == ("vpc-native", "default-pool")
    assert (vm.cluster, vm.pool, vm.tags, vm.subnet) == ("", "", ("vm",), "us-central1")
    assert (vm.status, vm.can_ip_forward) == ("RUNNING", False)


def test_routes_of_each_sort(lab: Cloud) -> None:
    vm = "zones/us-central1-a/instances/vm-a"
    routes: list[dict[str, Any]] = [
        {"destRange": "172.16.0.0/24", "nextHopInstance": vm, "tags": ["x"]},
        {"destRange": "172.16.1.0/24", "nextHopIp": "10.128.8.2"},
    ]
    for number, route in enumerate(routes):
        body = {"name": f"r{number}", "network": "global/networks/default", "priority": 7}
        lab.insert("routes", "global", {**body, **route})
    found = seen(lab).networks[0].routes
    assert [(one.destination, one.next_hop, one.priority, one.tags) for one in found] == [
        ("0.0.0.0/0", "default-internet-gateway", 1000, ()),
        ("10.0.0.0/20", "network default", 0, ()),
        ("10.0.16.0/25", "network default", 0, ()),
        ("10.128.0.0/20", "network default", 0, ()),
        ("172.16.0.0/24", "instance vm-a in us-central1-a", 7, ("x",)),
        ("172.16.1.0/24", "10.128.8.2", 7, ()),
    ]


def test_rules_in_the_order_in_which_they_decide() -> None:
    def rule(name: str, priority: int, **more: object) -> dict[str, object]:
        side = {"allowed": [{"IPProtocol": "tcp", "ports": ["80", "90-99"]}]}
        return {"name": name, "priority": priority, "direction": "INGRESS", **side, **more}

    deny = {"allowed": [], "denied": [{"IPProtocol": "all"}]}
    found = rules_of(
        [
            rule("b", 1000, sourceRanges=["10.0.0.0/8"], sourceTags=["s"], targetTags=["t"]),
            rule("a", 1000, sourceRanges=["0.0.0.0/0"], destinationRanges=["10.1.0.0/16"]),
            rule("z", 1000, **deny),
            rule("last", 65535, disabled=True, logConfig={"enable": True}),
            rule("out", 0, direction="EGRESS", destinationRanges=["192.0.2.0/24"], **deny),
        ]
    )
    assert [
        (one.priority, one.name, one.action, one.sources, one.destinations) for one in found
    ] == [
        (0, "out", "deny", "all instances", "192.0.2.0/24"),
        (1000, "z", "deny", "", "all instances"),
        (1000, "a", "allow", "0.0.0.0/0", "all instances, 10.1.0.0/16"),
        (1000, "b", "allow", "10.0.0.0/8, tag s", "tag t"),
        (65535, "last", "allow", "", "all instances"),
        (65535, "(implied)", "deny", "0.0.0.0/0", "all instances"),
        (65535, "(implied)", "allow", "all instances", "0.0.0.0/0"),
    ]
    assert found[2].protocols == ("tcp:80,90-99",)
    assert (found[4].disabled, found[4].logged, found[4].implied) == (True, True, False)
    assert [one.implied for one in found].count(True) == 2


def test_the_screen_shows_it_all(lab: Cloud) -> None:
    lab.write("stop", "instances", "zones/us-central1-a", {"instance": "vm-a"})
    text = drawn(seen(lab))
    for part in (
        "network default  project test-project, custom mode, MTU 1460",
        "us-central1  us-central1  primary   10.128.0.0/20  4 of 4092       4088",
        "                          pods      10.0.0.0/20    192 of 4096     3904  3",
        "vpc-native-worker2        us-central1-b  10.128.0.4  pods 10.0.0.128/26  203.0.113.2",
        "vm                            TERMINATED",
        "default-internet-gateway  1000      all instances",
        "65534     default-allow-ssh                  ingress    allow  tcp:22",
        "65535     (implied)                          ingress    deny   all",
    ):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= 160


def test_no_name_is_folded_and_what_stands_in_brackets_is_shown(lab: Cloud) -> None:
    body = {
        "name": "a" * 63,
        "network": "global/networks/default",
        "allowed": [{"IPProtocol": "icmp"}],
    }
    lab.insert("firewalls", "global", body)
    assert "a" * 63 in drawn(seen(lab), 120)


def test_nothing_at_all() -> None:
    found = view("p", NOTHING)
    assert found.networks == ()
    assert drawn(found) == "project p has no network"


# --- the command


def test_as_data(
    lab: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "cloud_of", lambda _: lab)
    shown = vpc.show(None, as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(json.dumps(shown.to_dict()))
    assert data["project"] == PROJECT
    assert data["networks"][0]["instances"][3]["name"] == "vm-a"


def test_on_the_screen(
    lab: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "cloud_of", lambda _: lab)
    vpc.show(None, as_json=False)
    assert capsys.readouterr().out.startswith("network default")


def test_a_lab_that_is_down_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down = Cloud(f"http://127.0.0.1:{free_port()}", PROJECT)
    monkeypatch.setattr(commands, "cloud_of", lambda _: down)
    with pytest.raises(SystemExit), commands.plain_errors():
        vpc.show(None, as_json=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"gkelab: the cloud at {down.endpoint} does not answer")
    assert said.err.count("\n") == 1


def test_a_lab_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str | None) -> None:
        raise LabError("There is no lab on this machine", "bring one up: invoke up")

    monkeypatch.delenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", raising=False)
    monkeypatch.setattr(commands, "find_lab", none)
    with pytest.raises(LabError, match="There is no lab on this machine"):
        vpc.show(None, as_json=True)
