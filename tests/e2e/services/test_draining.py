"""A pod that is asked to stop: what it has it keeps until its grace is over, new is for others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gkelab.tools.kubectl import Object
from gkelab.wait import until
from tests.support.dialog import Dialog, DialogError
from tests.support.endpointslices import Endpoint, endpoints
from tests.support.eventually import eventually, eventually_from, names
from tests.support.namespace import READY, Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import http, http_many
from tests.support.stats import requests_needed
from tests.support.timeouts import TIMEOUTS

MANY = requests_needed(1 / 2)


@pytest.fixture
def flow(shared: Namespace) -> Iterator[Dialog]:
    """A TCP connection by the Service to the pod that will leave."""
    argv = ["nc", "-q", "0", shared.service_ip("pair"), "9000"]
    found: Dialog | None = None
    for _ in range(MANY):
        found = Dialog(shared.place("client"), argv)
        if answered(found) == "leaving":
            break
        found.close()
    assert found is not None
    yield found
    found.close()


def answered(flow: Dialog) -> str:
    """Who answers on the connection; "" where nobody does any more."""
    try:
        pod: str = json.loads(flow.ask("hello", TIMEOUTS.probe))["pod"]
    except DialogError:
        return ""
    return pod


def ask_to_stop(shared: Namespace, pod: str, service: str) -> None:
    """Begin the pod's end, and wait until its endpoint is known to drain."""

    def found() -> list[Endpoint]:
        return [each for each in endpoints(shared.slices(service)) if each.pod == pod]

    shared.kubectl.delete("pod", pod, shared.name, wait=False)
    until(
        found,
        lambda seen: any(each.terminating and each.serving and not each.ready for each in seen),
        what=f"the endpoint of {pod} drains",
        timeout=TIMEOUTS.datapath,
        interval=0.1,
    )


def still_there(shared: Namespace, pod: str) -> bool:
    """Whether the pod drains, and has not ended."""
    found: Object | None = shared.kubectl.get("pod", pod, shared.name)
    return found is not None and "deletionTimestamp" in found["metadata"]


def gone(shared: Namespace, pod: str) -> None:
    """Wait until the pod has ended."""
    until(
        lambda: shared.kubectl.get("pod", pod, shared.name),
        lambda found: found is None,
        what=f"{pod} has ended",
        timeout=READY,
        describe=lambda _: "it is still there",
    )


def test_flows_live_until_the_grace_is_over(shared: Namespace, flow: Dialog) -> None:
    """While the pod drains, its connection goes on and new ones are for the other pod; when it
    has ended, the connection has, too."""
    url, place = f"http://{shared.service_ip('pair')}/", shared.place("client")

    def served_by(*pods: str, what: str) -> None:
        """Just these see the client itself."""
        saw = shared.pod("client").ip
        eventually_from(lambda: http_many(place, url, MANY), set(pods), saw=saw, what=what)

    served_by("leaving", "staying", what="both answer at first")
    assert answered(flow) == "leaving"
    ask_to_stop(shared, "leaving", "pair")
    served_by("staying", what="new connections are for the other")
    assert answered(flow) == "leaving"
    assert still_there(shared, "leaving"), "it ended before it could be seen draining"
    gone(shared, "leaving")
    assert answered(flow) == ""
    served_by("staying", what="the other serves on")


def test_the_last_pod_serves_while_it_drains(shared: Namespace) -> None:
    """With no other endpoint new connections are for the one that drains; then for nobody."""
    url, place = f"http://{shared.service_ip('last')}/", shared.place("client")
    client = shared.pod("client").ip
    eventually(lambda: http(place, url), who="last", saw=client, what="it answers at first")
    ask_to_stop(shared, "last", "last")
    answers = http_many(place, url, 10)
    assert still_there(shared, "last"), "it ended before it could be seen draining"
    assert names(answers) == {"last"}
    assert {answer.saw for answer in answers} == {client}
    gone(shared, "last")
    eventually(lambda: http(place, url), outcome=Outcome.REFUSED, what="nobody is left")
