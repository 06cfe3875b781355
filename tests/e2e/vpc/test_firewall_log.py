"""A line for each logged decision, in Google's fields (firewall/docs/vpc-log-format)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gkelab.lab import Lab
from gkelab.wait import until
from tests.support.invoke import invoke
from tests.support.outcomes import Outcome
from tests.support.probes import http, tcp, udp
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import DATAGRAM, HTTP, LINE, VM, Made, internet_of
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


def test_a_way_out_is_logged_as_whose_it_is(made: Made, router: Router, vms: tuple[VM, VM]) -> None:
    """Of an egress rule the instance is who sends, of datagrams, too."""
    asks, answers = vms
    said = rule(
        made,
        "out",
        vms,
        direction="EGRESS",
        destinationRanges=[f"{answers.address}/32"],
        denied=[{"IPProtocol": "udp", "ports": [str(DATAGRAM)]}],
    )
    for ingress in ("allowed", "sourceRanges", "targetTags"):
        del said[ingress]
    made.firewall(said)
    made.applied()
    answer = udp(asks.place, answers.address, DATAGRAM, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=asks.name, to=answers.name)
    line = logged(router, said["name"])[0]
    ends = (line.source, line.destination, line.port, line.protocol)
    assert ends == (asks.address, answers.address, DATAGRAM, 17)
    assert line.disposition == "DENIED"
    assert line.record["rule_details"]["direction"] == "EGRESS"
    assert line.record["instance"]["vm_name"] == asks.name
    assert line.record["remote_instance"]["vm_name"] == answers.name
    made.delete("firewalls", "", said["name"])
    made.applied()
    answer = udp(asks.place, answers.address, DATAGRAM)
    expect(answer, who=answers.name, saw=asks.address)


def test_the_internet_is_no_instance(lab: Lab, made: Made, router: Router) -> None:
    """From outside there is the instance that it came to, at its primary address, and the other
    end's address alone. `invoke logs.firewall` shows the line."""
    if lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    public = made.vm("public", public=True, tags=[made.own("public")])
    client = str(lab.plan.internet.client)
    said = {
        "name": made.own("in"),
        "sourceRanges": [f"{client}/32"],
        "targetTags": list(public.tags),
        "allowed": [{"IPProtocol": "tcp", "ports": [str(HTTP)]}],
        "logConfig": {"enable": True},
    }
    made.firewall(said)
    made.applied()
    answer = http(internet_of(lab), f"http://{public.public}:{HTTP}/")
    expect(answer, who=public.name, saw=client)
    (line,) = logged(router, made.own("in"))
    assert (line.source, line.destination) == (client, public.address)
    assert line.record["instance"]["vm_name"] == public.name
    assert "remote_instance" not in line.record
    shown = invoke("logs.firewall", f"--lab={lab.name}", f"--rule={made.own('in')}", "--json")
    assert [json.loads(one) for one in shown.stdout.splitlines()] == [line.record]


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
