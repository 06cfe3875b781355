"""Cilium's agents, and Hubble's flows from protobuf's JSON (cilium's api/v1/flow/flow.proto)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.shell import CommandError
from gkelab.tools.cilium import Agent, Cilium, parse_flows
from gkelab.tools.kubectl import Kubectl
from tests.support.recorder import Recorder

DROP: dict[str, Any] = {
    "time": "2026-11-22T01:02:03.000000004Z",
    "verdict": "DROPPED",
    "drop_reason": 133,
    "IP": {"source": "10.0.0.70", "destination": "10.0.0.130", "ipVersion": "IPv4"},
    "l4": {"TCP": {"source_port": 41234, "destination_port": 8080, "flags": {"SYN": True}}},
    "source": {"identity": 7, "namespace": "t-x", "pod_name": "client"},
    "destination": {"identity": 8, "namespace": "t-x", "pod_name": "server"},
    "Type": "L3_L4",
    "node_name": "vpc-native/vpc-native-worker2",
    "event_type": {"type": 1, "sub_type": 133},
    "traffic_direction": "INGRESS",
    "drop_reason_desc": "POLICY_DENIED",
    "is_reply": False,
}
TRACE: dict[str, Any] = {
    "time": "2026-11-22T01:02:02Z",
    "verdict": "FORWARDED",
    "IP": {"source": "10.128.15.253", "destination": "10.0.0.70"},
    "l4": {"UDP": {"source_port": 5000, "destination_port": 53}},
    "source": {"identity": 2, "labels": ["reserved:world", "k8s:x=y"]},
    "destination": {"identity": 7},
    "node_name": "vpc-native-worker",
    "traffic_direction": "TRAFFIC_DIRECTION_UNKNOWN",
    "is_reply": True,
    "drop_reason_desc": "DROP_REASON_UNKNOWN",
}


def lines(*flows: dict[str, Any]) -> str:
    return "".join(json.dumps({"flow": flow, "node_name": "n"}) + "\n" for flow in flows)


def cilium() -> tuple[Cilium, Recorder]:
    run = Recorder()
    kubectl = Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)
    pods = [
        {"metadata": {"name": "cilium-b"}, "spec": {"nodeName": "worker"}},
        {"metadata": {"name": "cilium-a"}, "spec": {"nodeName": "control-plane"}},
    ]
    run.handle(
        kubectl.argv(
            *("get", "pods", "--namespace=kube-system", "--selector=k8s-app=cilium"),
            "--output=json",
        ),
        json.dumps({"items": pods}),
    )
    return Cilium(kubectl), run


def inside(it: Cilium, pod: str, *words: str) -> list[str]:
    where = ["--namespace=kube-system", "exec", pod, "--container=cilium-agent", "--"]
    return it.kubectl.argv(*where, *words)


def observes(it: Cilium, pod: str) -> list[str]:
    words = ["--last=9", "--pod", "x/a", "--output=jsonpb"]
    return inside(it, pod, "hubble", "observe", *words)


def test_a_drop_reads_as_a_line() -> None:
    (flow,) = parse_flows(lines(DROP))
    assert flow.dropped
    assert str(flow) == (
        "2026-11-22T01:02:03.000000004Z vpc-native-worker2: t-x/client (10.0.0.70:41234) -> "
        "t-x/server (10.0.0.130:8080) DROPPED POLICY_DENIED ingress TCP SYN"
    )


def test_who_is_no_pod_is_named_by_what_is_known() -> None:
    (flow,) = parse_flows(lines(TRACE))
    assert not flow.dropped
    assert str(flow).endswith(
        "vpc-native-worker: world (10.128.15.253:5000) -> 10.0.0.70:53 FORWARDED UDP reply"
    )


@pytest.mark.parametrize(
    "text", ["", "level=warn msg=late\n", '{"lost_events": {}}\n', "[]\n", '{"flow": null}\n']
)
def test_what_is_no_flow_is_passed_over(text: str) -> None:
    assert parse_flows(text) == []
    assert len(parse_flows(text + lines(DROP))) == 1


def test_a_flow_of_which_nothing_is_known() -> None:
    (flow,) = parse_flows('{"flow": {}}')
    assert (flow.source, flow.destination, flow.dropped) == ("?", "?", False)


def test_agents_by_node_and_programs_in_them() -> None:
    it, run = cilium()
    first, second = it.agents()
    assert (first, second) == (Agent("cilium-a", "control-plane"), Agent("cilium-b", "worker"))
    run.handle(inside(it, "cilium-b", "cilium-dbg", "status"), "OK")
    assert it.exec(second, ["cilium-dbg", "status"], timeout=4).stdout == "OK"
    assert run.calls[-1].timeout == 4


def test_flows_of_all_nodes_in_times_order() -> None:
    it, run = cilium()
    run.handle(observes(it, "cilium-a"), lines(DROP))
    run.handle(observes(it, "cilium-b"), lines(TRACE))
    found = it.flows("--pod", "x/a", last=9, timeout=5)
    assert [flow.verdict for flow in found] == ["FORWARDED", "DROPPED"]


def test_an_agent_that_does_not_answer_hides_not_what_others_saw() -> None:
    it, run = cilium()
    run.handle(observes(it, "cilium-a"), code=1, stderr="container not found")
    run.handle(observes(it, "cilium-b"), lines(DROP))
    assert len(it.flows("--pod", "x/a", last=9, timeout=5)) == 1


def test_when_none_answers_it_is_an_error() -> None:
    it, run = cilium()
    for pod in ("cilium-a", "cilium-b"):
        run.handle(observes(it, pod), code=1, stderr="container not found")
    with pytest.raises(CommandError, match="container not found"):
        it.flows("--pod", "x/a", last=9, timeout=5)
