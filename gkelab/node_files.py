"""What a node mounts: its role's images, and the files by which it is a machine of its VPC from
the moment it boots, before a pod is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gkelab.host.prepare import RUNTIME, RUNTIME_DIR
from gkelab.lab import Lab
from gkelab.supply.imagestore import MOUNT, UNIT
from gkelab.tools.iproute import link_batch, unreachable_batch, via_batch
from gkelab.tools.kind import GOGC, NodeSettings
from gkelab.topology import Cluster, Role

DROP_IN = "/etc/systemd/system/containerd.service.d/gkelab-store.conf"
DEVICE = "eth0"
ROUTES = "/etc/gkelab/vpc.routes"
JOIN_VPC = "/etc/gkelab/join-vpc"


def _mounted(kind: str, at: str) -> str:
    """For a shell."""
    return f"mountpoint -q {at} || mount -t {kind} {kind} {at}"


# What every node mounts beside its store: path in the node -> text. A node's routes go with its
# network namespace when it stops, so that containerd, before which no pod is, puts them (back).
# Programs in the node collect their garbage less often: less work, for memory that is there.
# What Cilium's init containers would do to a node, three seconds an agent, is done when it boots.
FILES = {
    "/etc/systemd/system/containerd.service.d/gkelab-cilium.conf": (
        "[Service]\n"
        "ExecStartPre=/bin/mkdir -p /run/cilium/cgroupv2\n"
        f"ExecStartPre=/bin/sh -c '{_mounted('bpf', '/sys/fs/bpf')}'\n"
        f"ExecStartPre=/bin/sh -c '{_mounted('cgroup2', '/run/cilium/cgroupv2')}'\n"
    ),
    # The kernel takes the larger of all's and the interface's.
    "/etc/sysctl.d/99-zzz-override_cilium.conf": (
        "-net.ipv4.conf.lxc*.rp_filter = 0\n"
        "-net.ipv4.conf.cilium_*.rp_filter = 0\n"
        "net.ipv4.conf.all.rp_filter = 0\n"
    ),
    "/etc/systemd/system/containerd.service.d/gkelab-vpc.conf": (
        f"[Service]\nExecStartPre=/bin/sh {JOIN_VPC}\n"
    ),
    # `docker run --mac-address` is a matter of the client's version and the daemon's together.
    JOIN_VPC: (
        f"# {DEVICE} gets the MAC address that GCE gives it (gkelab.ipam.mac_address), and tells\n"
        "# neighbours who knew another. Then its ways lead to the VPC's router.\n"
        "set -eu\n"
        f"echo 1 >/proc/sys/net/ipv4/conf/{DEVICE}/arp_notify\n"
        "IFS=' ./'\n"
        f"set -- $(ip -4 -oneline address show dev {DEVICE})  # N: {DEVICE} inet A.B.C.D/LENGTH\n"
        'mac=$(printf \'42:01:%02x:%02x:%02x:%02x\' "$4" "$5" "$6" "$7")\n'
        f'ip link set dev {DEVICE} address "$mac"\n'
        f"ip -batch {ROUTES}\n"
    ),
    "/etc/systemd/system.conf.d/gkelab.conf": f"[Manager]\nDefaultEnvironment=GOGC={GOGC}\n",
}


def node_settings(lab: Lab, stores: Mapping[Role, Path], files: Mapping[str, str]) -> NodeSettings:
    """What the nodes mount: their role's image store, with the drop-in that makes containerd
    take it; these files; and the OCI runtime where this host cannot grant every capability."""
    mounts: dict[Role, dict[str, str]] = {
        role: {str(store): MOUNT, str(store / UNIT): DROP_IN} | dict(files)
        for role, store in stores.items()
    }
    if not lab.facts.missing_capabilities:
        return NodeSettings(mounts)
    runtime = {str(RUNTIME_DIR): str(RUNTIME_DIR)}
    return NodeSettings({role: mounts[role] | runtime for role in mounts}, str(RUNTIME))


def write_files(lab: Lab, cluster: Cluster, folder: Path) -> dict[str, str]:
    """Write what every node mounts; the mounts, host path to path in the node."""
    folder.mkdir(parents=True, exist_ok=True)
    mounts = {}
    for inside, text in {**FILES, ROUTES: vpc_routes(lab, cluster)}.items():
        file = folder / Path(inside).name
        file.write_text(text)
        mounts[str(file)] = inside
    return mounts


def vpc_routes(lab: Lab, cluster: Cluster) -> str:
    """What makes a node's way to every range of the VPC lead to the router, for `ip -batch`: its
    own subnet's too, of which it reaches directly the router and, as that is its way out of the
    machine, docker's bridge. Under them are routes that lead nowhere."""
    subnet = cluster.subnet
    near = link_batch(DEVICE, [subnet.gateway, subnet.bridge_address])
    far = via_batch(subnet.gateway, DEVICE, lab.plan.routed_ranges())
    return near + far + unreachable_batch(lab.plan.held_inside())
