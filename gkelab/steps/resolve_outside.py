"""CoreDNS asks the VPC's resolver for what is not the cluster's.

kubeadm has it ask the resolver of its pods' node, which is docker's: that is reached by the node
itself alone, as Cilium takes what pods send past the node's iptables.
"""

from __future__ import annotations

import json
import re

from gkelab.applied import Applied
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster
from gkelab.wait import until

WHERE = ("configmap", "coredns", "kube-system")
FORWARD = re.compile(r"^(\s*forward \.) .*?( \{)?$", re.MULTILINE)


def resolve_outside(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Write it into CoreDNS's configuration, which CoreDNS reads anew by itself.

    Raises LabError where that has no line about it, WaitError when kubeadm writes none.
    """
    resolver = str(cluster.subnet.gateway)
    changed = applied.once("resolver", resolver, lambda: _write(lab, cluster, resolver))
    return resolver if changed else CACHED


def _write(lab: Lab, cluster: Cluster, resolver: str) -> None:
    kubectl = lab.kubectl(cluster.name)

    def configuration() -> Object | None:
        return kubectl.get(*WHERE)

    found = until(
        configuration,
        bool,
        what=f"cluster {cluster.name} has CoreDNS's configuration",
        timeout=lab.timeouts.api_answers,
        interval=0.2,
        tolerant=True,
    )
    assert found
    changed, lines = FORWARD.subn(rf"\1 {resolver}\2", found["data"]["Corefile"])
    if not lines:
        raise LabError(f"CoreDNS of {cluster.name} forwards nothing", "run: invoke down")
    kind, name, namespace = WHERE
    patch = json.dumps({"data": {"Corefile": changed}})
    kubectl("patch", kind, name, f"--namespace={namespace}", f"--patch={patch}")
