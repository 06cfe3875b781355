"""loadBalancerSourceRanges: who may use a load balancer, from outside and from inside.

GKE makes firewall rules of them, before the nodes, and so do the lab's controllers; Cilium drops at
the node, too. To a client both are silence.
"""

from __future__ import annotations

from gkelab.lab import Lab
from gkelab.topology import Vm
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.timeouts import TIMEOUTS


def restrict(shared: Namespace, service: str, *ranges: object) -> None:
    """Let only these use the load balancer."""
    listed = [str(network) for network in ranges]
    shared.patch("service", service, {"spec": {"loadBalancerSourceRanges": listed}})


def test_outside(shared: Namespace, lab: Lab, client: ContainerPlace, outside: str) -> None:
    """In the ranges a client is served, out of them it hears nothing; without ranges all are."""
    url = f"http://{shared.address('outside')}/"

    def served(what: str) -> None:
        eventually(lambda: http(client, url), who="server", saw=outside, what=what)

    served("without ranges")
    restrict(shared, "outside", lab.plan.frontend_range)
    eventually(
        lambda: http(client, url, timeout=TIMEOUTS.short),
        outcome=Outcome.TIMEOUT,
        what="the client is in no range",
    )
    restrict(shared, "outside", lab.plan.frontend_range, f"{outside}/32")
    served("the client is in the second range")
    restrict(shared, "outside", lab.plan.frontend_range)
    eventually(
        lambda: http(client, url, timeout=TIMEOUTS.short),
        outcome=Outcome.TIMEOUT,
        what="the client is in no range any more",
    )
    restrict(shared, "outside")
    served("without ranges again")


def test_inside(
    shared: Namespace,
    lab: Lab,
    client: ContainerPlace,
    machine: ContainerPlace,
    vm: Vm,
) -> None:
    """Ranges are about the outside, and about the load balancer's address alone: pods, and users
    of the node's port, are served all the same
    (https://docs.cilium.io/en/v1.19/network/kubernetes/kubeproxy-free/#loadbalancer-source-ranges-checks)."""
    url = f"http://{shared.address('beside')}/"
    eventually(lambda: http(client, url), who="server", what="without ranges")
    restrict(shared, "beside", lab.plan.frontend_range)
    eventually(
        lambda: http(client, url, timeout=TIMEOUTS.short),
        outcome=Outcome.TIMEOUT,
        what="the client is in no range",
    )
    pod = shared.pod("client")
    eventually(
        lambda: http(shared.place(pod), url), who="server", saw=pod.ip, what="a pod is served"
    )
    node = next(n for n in shared.cluster.workers if n.name == shared.pod("server").node)
    number = shared.service("beside")["spec"]["ports"][0]["nodePort"]
    eventually(
        lambda: http(machine, f"http://{node.address}:{number}/"),
        who="server",
        saw=str(vm.address),
        what="the node's port is served",
    )
