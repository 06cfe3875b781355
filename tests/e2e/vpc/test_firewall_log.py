"""A line for each logged decision, in Google's fields (firewall/docs/vpc-log-format)."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.lab import Lab
from gkelab.wait import until
from tests.support.outcomes import Outcome
from tests.support.probes import http, tcp
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import HTTP, LINE, VM, Made
from tests.support.vpc.router import Logged, Router


@pytest.fixture(scope="module")
def vms(made: Made) -> tuple[VM, VM]:
    """Who asks, and who answers."""
    asks = made.vm("asks", wait=False)
    answers = made.vm("answers", tags=[made.own("answers")], wait=False)
    for vm in (asks, answers):
        made.until_serving(vm)
    return asks, answers


def rule(made: Made, name: str, vms: tuple[VM, VM], **more: Any) -> Body:
    """A rule between the two, for one port alone."""
    asks, answers = vms
    port = {"IPProtocol": "tcp", "ports": [str(HTTP)]}
    return {
        "name": made.own(name),
        "network": made.network,
        "description": made.description,
        "priority": 900,
        "sourceRanges": [f"{asks.address}/32"],
        "targetTags": list(answers.tags),
        "allowed": [port],
        "logConfig": {"enable": True},
        **more,
    }


def logged(router: Router, name: str) -> list[Logged]:
    """The rule's lines, once there is one."""
    return until(
        lambda: router.log(name),
        bool,
        what=f"the router logs a decision of {name}",
        timeout=TIMEOUTS.counted,
        interval=0.2,
    )


def test_what_is_let_in_is_logged(lab: Lab, made: Made, router: Router, vms: tuple[VM, VM]) -> None:
    """One line a connection, with both ends, the rule and what it is for."""
    asks, answers = vms
    said = rule(made, "yes", vms)
    made.firewall(said)
    made.applied()
    answer = http(asks.place, f"http://{answers.address}:{HTTP}/")
    expect(answer, who=answers.name, saw=asks.address)
    (line,) = logged(router, said["name"])
    assert answer.body is not None
    plan, subnet = lab.plan, lab.plan.clusters[0].subnet
    ends = {
        prefix: {
            "project_id": plan.project,
            "vm_name": vm.name,
            "region": subnet.region,
            "zone": vm.zone,
        }
        for prefix, vm in (("instance", answers), ("remote_instance", asks))
    }
    vpc = {
        "project_id": plan.project,
        "vpc_name": plan.network,
        "subnetwork_name": subnet.name,
    }
    record = dict(line.record)
    assert str(record.pop("timestamp")).endswith("Z")
    assert record == {
        "connection": {
            "src_ip": asks.address,
            "src_port": answer.body["source_port"],
            "dest_ip": answers.address,
            "dest_port": HTTP,
            "protocol": 6,
        },
        "disposition": "ALLOWED",
        "rule_details": {
            "reference": f"network:{plan.network}/firewall:{said['name']}",
            "priority": 900,
            "action": "ALLOW",
            "direction": "INGRESS",
            "ip_port_info": [{"ip_protocol": "TCP", "port_range": [str(HTTP)]}],
            "source_range": [f"{asks.address}/32"],
            "target_tag": list(answers.tags),
        },
        **ends,
        "vpc": vpc,
        "remote_vpc": vpc,
    }


def test_what_is_denied_is_logged(made: Made, router: Router, vms: tuple[VM, VM]) -> None:
    """As DENIED; with the metadata left out, as asked, the line says less."""
    asks, answers = vms
    said = rule(
        made,
        "no",
        vms,
        priority=800,
        denied=[{"IPProtocol": "tcp"}],
        logConfig={"enable": True, "metadata": "EXCLUDE_ALL_METADATA"},
    )
    del said["allowed"]
    made.firewall(said)
    try:
        made.applied()
        answer = http(asks.place, f"http://{answers.address}:{HTTP}/", timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=asks.name, to=answers.name)
        line = logged(router, said["name"])[0]
    finally:
        made.delete("firewalls", "", said["name"])
        made.applied()
    ends = (line.source, line.destination, line.port)
    assert (line.disposition, *ends) == ("DENIED", asks.address, answers.address, HTTP)
    assert "instance" not in line.record
    assert line.record["rule_details"]["action"] == "DENY"


def test_what_is_not_logged_is_not(made: Made, router: Router, vms: tuple[VM, VM]) -> None:
    """The counterfactual: without logConfig the rule decides and says nothing; with it, set by
    the API, the same connection is told of."""
    asks, answers = vms
    line = {"IPProtocol": "tcp", "ports": [str(LINE)]}
    said = rule(made, "quiet", vms, allowed=[line], logConfig={"enable": False})
    made.firewall(said)
    made.applied()
    expect(tcp(asks.place, answers.address, LINE), who=answers.name, saw=asks.address)
    done(
        made.google.firewalls.patch(
            project=made.google.project,
            firewall=said["name"],
            firewall_resource=message("Firewall", {"logConfig": {"enable": True}}),
        )
    )
    made.applied()
    answer = tcp(asks.place, answers.address, LINE)
    expect(answer, who=answers.name, saw=asks.address)
    assert answer.body is not None
    found = logged(router, said["name"])
    ports = [one.record["connection"]["src_port"] for one in found]
    assert ports == [answer.body["source_port"]], "the connection before it was logged, too"
