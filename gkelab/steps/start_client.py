"""A client outside of the VPC: a container on the network that stands for the internet."""

from __future__ import annotations

from gkelab.containers import Wanted, have_running, look, name_of
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.iproute import unreachable_batch, via_batch
from gkelab.topology import Internet


def start_client(lab: Lab) -> str:
    """Have it run: it reaches what is public by way of the VPC router, and nothing else of the
    lab's ranges, as a machine on the internet would.

    Raises LabError when the container is somebody else's. Without an internet there is none.
    """
    internet = lab.plan.internet
    if internet is None:
        return CACHED
    name = name_of(lab, "client")
    changed = have_running(lab, client_container(lab, internet), look(lab, name))
    # A running one may have started anew, or its `up` may have been killed: it has no routes then.
    lead_to_router(lab)
    return name if changed else CACHED


def lead_to_router(lab: Lab) -> None:
    """Have the running client's routes be as they should; where there is no client, nothing."""
    internet = lab.plan.internet
    if internet is not None:
        words = ["ip", "-batch", "-"]
        lab.docker.exec(name_of(lab, "client"), words, input=_routes(lab, internet))


def client_name(lab: Lab) -> str:
    """The client's container name. LabError where the topology has no internet, and so none."""
    if lab.plan.internet is None:
        raise LabError(
            f"Lab {lab.name} has no client, as its topology has no internet",
            "declare `internet:` with a range",
        )
    return name_of(lab, "client")


def client_container(lab: Lab, internet: Internet) -> Wanted:
    """The container."""
    return Wanted(
        name=name_of(lab, "client"),
        role="client",
        image="workload",
        network=internet.docker_network,
        arguments=(
            *(f"--ip={internet.client}", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW"),
            "--restart=on-failure:1",
        ),
        command=("serve", "--http", "8080", "80"),
    )


def _routes(lab: Lab, internet: Internet) -> str:
    """Nowhere but to the router. What is public is named, as it is of what is held."""
    public = [lab.plan.external_range, lab.plan.frontend_range]
    held = unreachable_batch(lab.plan.held_inside())
    default = f"route replace default via {internet.router} dev eth0\n"
    return held + via_batch(internet.router, "eth0", public) + default
