"""GKE's controllers of the lab's clusters: beside the clusters, as Google's are."""

from __future__ import annotations

from gkelab.cloud.place import recorded
from gkelab.cloud.resources import node_tag
from gkelab.containers import HOST, STATUS, Wanted, have_running, look, name_of
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.kind import context

INSIDE = "/lab"  # where the lab's folder is in the container


def start_controllers(lab: Lab) -> str:
    """Have them run; what they do takes a moment. LabError when the container is somebody
    else's."""
    found = look(lab, name_of(lab, "controllers"))
    return "" if have_running(lab, controllers_container(lab), found) else CACHED


def controllers_container(lab: Lab) -> Wanted:
    """The container, on the host's network, on whose loopback the cloud and the clusters' API
    servers are. It mounts the lab's folder, as the kubeconfig in it is replaced by a new file."""
    plan = lab.plan
    # A folder that was made anew is another one, though its name is the same.
    folder = f"{lab.folder.stat().st_ino}"
    command = ["python3", "-m", "gkelab.cloud.controllers"]
    command += [f"--cloud={recorded(lab.cloud_file).endpoint}"]
    command += [f"--kubeconfig={INSIDE}/{lab.kubeconfig.name}", f"--network={plan.network}"]
    for cluster in plan.clusters:
        known = (cluster.name, context(cluster.name), node_tag(plan, cluster))
        command.append(f"--cluster={'='.join((*known, cluster.pod_range_name))}")
    return Wanted(
        name=name_of(lab, "controllers"),
        role="controllers",
        image="cloud",
        network=HOST,
        arguments=(
            *(f"--volume={lab.folder.resolve()}:{INSIDE}:ro", f"--label=gkelab.folder={folder}"),
            "--restart=unless-stopped",
        ),
        command=(*command, f"--status={STATUS}"),
    )
