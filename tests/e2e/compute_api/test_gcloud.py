"""`invoke gcloud`: gcloud's words, and the packets that obey them."""

from __future__ import annotations

import json
import shlex

import pytest

from gkelab.lab import Lab
from gkelab.shell import Result
from tests.support.eventually import eventually
from tests.support.invoke import invoke
from tests.support.outcomes import Outcome
from tests.support.probes import http
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import HTTP, VM, Made


def gcloud(lab: Lab, line: str, *, check: bool = True) -> Result:
    """A line as a person types it."""
    return invoke("gcloud", f"--lab={lab.name}", "--", *shlex.split(line), check=check)


@pytest.fixture(scope="module")
def client(made: Made) -> VM:
    """Who asks."""
    return made.vm("client", wait=False)


@pytest.fixture(scope="module")
def server(made: Made, client: VM) -> VM:
    """Who answers."""
    found = made.vm("server", tags=[made.own("server")], wait=False)
    for vm in (client, found):
        made.until_serving(vm)
    made.applied()
    return found


def test_a_rule_that_is_made_shut_and_deleted(lab: Lab, made: Made, client: VM, server: VM) -> None:
    """A denial decides while it is there and enabled, and no longer."""
    name, network = made.own("rule"), lab.plan.network

    def asked(outcome: Outcome, what: str) -> None:
        made.applied()
        url = f"http://{server.address}:{HTTP}/"
        eventually(
            lambda: http(client.place, url, timeout=TIMEOUTS.short), outcome=outcome, what=what
        )

    asked(Outcome.OK, "before the rule")
    made.on_close(name, lambda: made.delete("firewalls", "", name))
    gcloud(
        lab,
        f"compute firewall-rules create {name} --network={network} --action=DENY --rules=tcp"
        f" --source-ranges={client.address}/32 --target-tags={server.tags[0]} --priority=100"
        f" --description='{made.description}'",
    )
    asked(Outcome.TIMEOUT, "with the rule")
    said = gcloud(lab, f"compute firewall-rules list --filter=name={name} --format=json").stdout
    (rule,) = json.loads(said)
    assert (rule["denied"], rule["targetTags"]) == ([{"IPProtocol": "tcp"}], list(server.tags))
    gcloud(lab, f"compute firewall-rules update {name} --disabled")
    asked(Outcome.OK, "while the rule is disabled")
    gcloud(lab, f"compute firewall-rules update {name} --no-disabled")
    asked(Outcome.TIMEOUT, "with the rule enabled")
    gcloud(lab, f"compute firewall-rules delete {name} --quiet")
    asked(Outcome.OK, "after the rule")


def test_a_table_of_instances(lab: Lab, server: VM) -> None:
    """As gcloud shows it: its columns, a line an instance."""
    head, *lines = gcloud(lab, "compute instances list").stdout.splitlines()
    assert head.split()[:3] == ["NAME", "ZONE", "MACHINE_TYPE"]
    (line,) = (line for line in lines if line.split()[0] == server.name)
    assert server.address in line.split()
    assert line.split()[-1] == "RUNNING"
    assert {node.name for node in lab.plan.nodes} <= {line.split()[0] for line in lines}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("compute frobnicate list", "frobnicate"),
        ("compute instances list --frobnicate", "--frobnicate"),
        ("compute firewall-rules describe t-nobody", "t-nobody"),
        ("compute instances list --filter='name='", "name="),
    ],
)
def test_what_is_not_understood_is_named(lab: Lab, line: str, names: str) -> None:
    """One sentence and an exit status that is not zero."""
    said = gcloud(lab, line, check=False)
    assert said.code not in (0, 130)
    assert names in said.stderr
    assert "Traceback" not in said.stderr
