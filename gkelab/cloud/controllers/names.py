"""Names of GKE's firewall rules, as its controllers make them.

Sources: cloud-provider-gcp (providers/gce, MakeFirewallName), cloud-provider
(DefaultLoadBalancerName) and ingress-gce (pkg/utils/namer/l4_namer.go, with its tests' values).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

LONGEST = 63
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# What k8s2-UID8-...-HASH8 leaves of 63 for a Service's namespace and name together.
_NAMESPACED = 39


def content_hash(text: str, length: int) -> str:
    """The first letters and digits of a text's hash, as in ingress-gce's names."""
    return "".join(_DIGITS[b % 36] for b in hashlib.sha256(text.encode()).digest()[:length])


def target_pool_rule(uid: str) -> str:
    """The rule of a load balancer of a target pool: the Service's UID says which."""
    return f"k8s-fw-a{uid.replace('-', '')}"[: len("k8s-fw-") + 32]


def backend_service_prefix(kube_system_uid: str) -> str:
    """What the names of a cluster's rules of backend-service load balancers begin with."""
    return f"k8s2-{content_hash(kube_system_uid, 8)}-"


def backend_service_rule(kube_system_uid: str, namespace: str, name: str) -> str:
    """The rule of a load balancer of a backend service: k8s2-UID-NAMESPACE-NAME-HASH."""
    prefix = backend_service_prefix(kube_system_uid)
    cluster = prefix.removeprefix("k8s2-").rstrip("-")
    suffix = content_hash(f"{cluster};{namespace};{name}", 8)
    return f"{prefix}{'-'.join(_trimmed((namespace, name), _NAMESPACED))}-{suffix}"


def gcpfirewall_rule(prefix: str, name: str) -> str:
    """The rule of a GCPFirewall.

    Its controller's source is not public. Known is `gke-pfw-NAME` from its authors' review
    (cloud-provider-gcp, pull request 278), and that rules of a cluster are called
    gke-CLUSTER-HASH-... (GKE's documentation): the lab joins them. A name that is no part of a
    rule's name, or too long for it, is cut and gets a hash.
    """
    start = f"{prefix}-pfw-"
    plain = re.sub(r"[^-a-z0-9]", "-", name)
    if plain == name and len(start + name) <= LONGEST:
        return start + name
    suffix = f"-{content_hash(f'{prefix};{name}', 8)}"
    return f"{start}{plain}"[: LONGEST - len(suffix)] + suffix


def _trimmed(fields: Sequence[str], most: int) -> list[str]:
    """Fields cut to a common length, longer ones more than shorter ones."""
    total = sum(map(len, fields))
    if total <= most:
        return list(fields)
    excess = total - most
    lengths = [len(f) - len(f) * excess // total - 1 for f in fields]
    for index in range(most - sum(lengths)):
        lengths[index] += 1
    return [field[:length] for field, length in zip(fields, lengths, strict=True)]
