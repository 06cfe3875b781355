"""The commands: flags in, one call into gkelab out."""

import sys

from invoke import Collection, Context, task

from gkelab import bench, commands, logs, testing
from gkelab import images as supply
from gkelab import report as reporting
from gkelab.fabric import bench as fabric
from gkelab.faults import bench as faults
from gkelab.nodes import commands as nodes
from gkelab.trace import commands as tracing
from gkelab.vpc import commands as vpc


@task(
    help={
        "topology": "a name under clusters/, or a file",
        "images": "upstream or built; by default what works here",
        "host_setup": "whether the host may be prepared (docker, limits)",
        "merge_kubeconfig": "add the lab's contexts to your own kubeconfig",
    }
)
def up(
    _: Context,
    topology: str = commands.DEFAULT_TOPOLOGY,
    images: str | None = None,
    host_setup: bool = True,
    merge_kubeconfig: bool = False,
) -> None:
    """Bring the lab up, from nothing or from wherever it is."""
    with commands.plain_errors():
        commands.up(topology, images, host_setup, merge_kubeconfig)


@task(help={"lab": "the lab's name; the only one by default"})
def down(_: Context, lab: str | None = None) -> None:
    """Remove the lab, and nothing else."""
    with commands.plain_errors():
        commands.down(lab)


@task(help={"lab": "the lab's name; the only one by default"})
def stop(_: Context, lab: str | None = None) -> None:
    """Stop the lab's containers and keep them."""
    with commands.plain_errors():
        commands.stop(lab)


@task(help={"lab": "the lab's name; the only one by default"})
def start(_: Context, lab: str | None = None) -> None:
    """Start a stopped lab."""
    with commands.plain_errors():
        commands.start(lab)


@task(help={"lab": "the lab's name; the only one by default", "json": "as data"})
def status(_: Context, lab: str | None = None, json: bool = False) -> None:
    """Show clusters, nodes, ranges, components and addresses."""
    with commands.plain_errors():
        raise SystemExit(0 if commands.status(lab, json) else 1)


@task(
    help={
        "topology": "the topology whose addresses to check",
        "images": "upstream or built; by default what works here",
        "host_setup": "whether the host may be prepared (docker, limits)",
    }
)
def doctor(
    _: Context,
    topology: str = commands.DEFAULT_TOPOLOGY,
    images: str | None = None,
    host_setup: bool = True,
) -> None:
    """Check this host and say what `up` would do to it."""
    with commands.plain_errors():
        raise SystemExit(0 if commands.doctor(topology, images, host_setup) else 1)


@task(help={"lab": "the lab's name", "cluster": "the cluster's name; the first by default"})
def kubectl(context: Context, lab: str | None = None, cluster: str | None = None) -> None:
    """Run kubectl against the lab: invoke kubectl -- get pods."""
    with commands.plain_errors():
        commands.kubectl(lab, cluster, commands.words_after(context.remainder, sys.argv))


@task(help={"lab": "the lab's name", "cluster": "the cluster's name; the first by default"})
def hubble(context: Context, lab: str | None = None, cluster: str | None = None) -> None:
    """Run hubble against the lab: invoke hubble -- observe."""
    with commands.plain_errors():
        commands.hubble(lab, cluster, commands.words_after(context.remainder, sys.argv))


@task(help={"lab": "the lab's name", "cluster": "the cluster's name; the first by default"})
def cilium(context: Context, lab: str | None = None, cluster: str | None = None) -> None:
    """Run the cilium CLI, or cilium-dbg in an agent: invoke cilium -- status."""
    with commands.plain_errors():
        commands.cilium(lab, cluster, commands.words_after(context.remainder, sys.argv))


@task(help={"lab": "the lab's name; the only one by default"})
def gcloud(context: Context, lab: str | None = None) -> None:
    """Talk to the lab's Google Cloud: invoke gcloud -- compute networks list."""
    with commands.plain_errors():
        raise SystemExit(commands.gcloud(lab, commands.words_after(context.remainder, sys.argv)))


@task(
    name="show",
    help={"lab": "the lab's name; the only one by default", "json": "as data"},
)
def vpc_show(_: Context, lab: str | None = None, json: bool = False) -> None:
    """Show networks, subnets, ranges and their use, instances, routes and firewall rules."""
    with commands.plain_errors():
        vpc.show(lab, json)


@task(
    help={
        "lab": "the lab's name; the only one by default",
        "output": "the folder to put it in; report/ by default",
    }
)
def diagram(_: Context, lab: str | None = None, output: str | None = None) -> None:
    """Draw the running topology with its ranges and addresses, as mermaid and as SVG."""
    with commands.plain_errors():
        vpc.diagram(lab, output)


@task(
    positional=["source", "destination"],
    help={
        "source": "a pod, a node, a VM or client",
        "destination": "one of these, a Service (svc/NAME), or an address",
        "port": "the first that the destination declares, or 80, by default",
        "protocol": "tcp, udp or icmp",
        "json": "as data",
        "lab": "the lab's name; the only one by default",
    },
)
def trace(
    _: Context,
    source: str,
    destination: str,
    *,
    port: str | None = None,
    protocol: str = "tcp",
    json: bool = False,
    lab: str | None = None,
) -> None:
    """Send one probe, show each hop, and name what dropped it; fails if that was not decided."""
    with commands.plain_errors():
        told = tracing.trace(lab, source, destination, port=port, protocol=protocol, as_json=json)
        raise SystemExit(tracing.status(told))


@task(
    positional=["machine"],
    help={
        "machine": "a VM or a node, by its name; NAME.ZONE where VMs of two zones have it",
        "lab": "the lab's name; the only one by default",
    },
)
def ssh(context: Context, machine: str, lab: str | None = None) -> None:
    """Get into a VM or a node: invoke ssh NAME, or invoke ssh NAME -- ip route."""
    with commands.plain_errors():
        commands.ssh(lab, machine, commands.words_after(context.remainder, sys.argv))


@task(
    help={
        "suite": "only this suite (unit, routing, services, ...), or several: a,b",
        "all_": "also the suites that need another topology",
        "topology": "the lab to test",
        "images": "upstream or built; by default what works here",
        "runs": "how often, one after the other; the first that fails is the last",
    }
)
def test(
    context: Context,
    *,
    suite: str | None = None,
    all_: bool = False,
    topology: str = commands.DEFAULT_TOPOLOGY,
    images: str | None = None,
    runs: int = 1,
) -> None:
    """Bring the lab up if it is not, and prove it; words after -- go to pytest."""
    with commands.plain_errors():
        words = commands.words_after(context.remainder, sys.argv)
        raise SystemExit(testing.test(suite, all_, topology, images, words, runs=runs))


@task(
    help={
        "readme": "instead write the README's table of claims",
        "summary": "instead print the last results as Markdown",
        "merge": "first take in the results.json files of other runs, below this folder",
    }
)
def report(
    _: Context, readme: bool = False, summary: bool = False, merge: str | None = None
) -> None:
    """Set what the lab claims of GKE against the last results of its tests."""
    with commands.plain_errors():
        if merge:
            reporting.take_in(merge)
        if readme:
            reporting.write_readme()
        elif summary:
            reporting.show_summary()
        else:
            reporting.report()


@task
def lint(_: Context) -> None:
    """Check style, format and types."""
    with commands.plain_errors():
        raise SystemExit(testing.lint())


@task(
    name="add",
    help={
        "cluster": "the cluster's name; the first by default",
        "pool": "the node pool; the cluster's first by default",
        "zone": "one of the pool's zones; that with the fewest nodes by default",
        "lab": "the lab's name; the only one by default",
    },
)
def node_add(
    _: Context,
    cluster: str | None = None,
    pool: str | None = None,
    zone: str | None = None,
    lab: str | None = None,
) -> None:
    """Add a worker to a running cluster, as a resize of its node pool does."""
    with commands.plain_errors():
        nodes.add(lab, cluster, pool, zone)


@task(
    name="delete",
    positional=["node"],
    help={"node": "the worker's name", "lab": "the lab's name; the only one by default"},
)
def node_delete(_: Context, node: str, lab: str | None = None) -> None:
    """Drain a worker and take it away, with its instance and its route."""
    with commands.plain_errors():
        nodes.delete(lab, node)


@task(name="build", help={"images": "upstream or built; by default what works here"})
def images_build(_: Context, images: str | None = None) -> None:
    """Make or fetch every program, chart and image that `up` needs."""
    with commands.plain_errors():
        supply.build(images)


@task(name="list", help={"images": "upstream or built; by default what works here"})
def images_list(_: Context, images: str | None = None, json: bool = False) -> None:
    """Show what the lab is made of: from where, how it is pinned, its size and age."""
    with commands.plain_errors():
        supply.show(images, json)


@task(name="prune", help={"all_": "also what the current versions use"})
def images_prune(_: Context, all_: bool = False) -> None:
    """Remove what no current version and no lab uses from the cache.

    Once all that is current is there, Go's module and build caches go, too: only building uses
    them, and another version's build downloads and compiles anew.
    """
    with commands.plain_errors():
        supply.prune(all_)


@task(
    name="collect",
    help={
        "lab": "the lab's name; the only one by default",
        "output": "the folder to put it under; report/ by default",
    },
)
def logs_collect(_: Context, lab: str | None = None, output: str | None = None) -> None:
    """Save events, logs, objects, flows and routes in a bundle, and show what is suspicious."""
    with commands.plain_errors():
        logs.collect(lab, output)


@task(
    name="firewall",
    help={
        "rule": "only this firewall rule's",
        "last": "so many lines",
        "json": "as data, a line each in Google's fields",
        "lab": "the lab's name; the only one by default",
    },
)
def logs_firewall(
    _: Context,
    *,
    rule: str | None = None,
    last: int = 50,
    json: bool = False,
    lab: str | None = None,
) -> None:
    """Show the connections that firewall rules with logging let through or denied."""
    with commands.plain_errors():
        vpc.firewall_log(lab, rule, last, json)


@task(name="up", help={"runs": "how often each is measured"})
def bench_up(_: Context, runs: int = 1) -> None:
    """Measure `up`, a second `up`, `down`, and the plain script that people write."""
    with commands.plain_errors():
        bench.bench_up(runs)


@task(
    name="faults",
    help={"lab": "the lab's name; the only one by default", "json": "a file for the figures"},
)
def bench_faults(_: Context, lab: str | None = None, json: str | None = None) -> None:
    """Kill parts of the lab that is up, one by one, and measure what traffic loses."""
    with commands.plain_errors():
        faults.bench_faults(lab, json)


@task(
    name="fabric",
    help={
        "lab": "the lab's name; the only one by default",
        "runs": "how many turns each measure has; the median counts",
    },
)
def bench_fabric(_: Context, lab: str | None = None, runs: int = 3) -> None:
    """Measure what the VPC's router costs, and how soon a write is in the packets' way."""
    with commands.plain_errors():
        fabric.bench_fabric(lab, runs)


namespace = Collection(
    *(up, down, stop, start, status, doctor, kubectl, hubble, cilium, gcloud, ssh, diagram),
    *(trace, test, report, lint),
)
namespace.add_collection(Collection("images", images_build, images_list, images_prune))
namespace.add_collection(Collection("logs", logs_collect, logs_firewall))
namespace.add_collection(Collection("vpc", vpc_show))
namespace.add_collection(Collection("node", node_add, node_delete))
namespace.add_collection(Collection("bench", bench_up, bench_faults, bench_fabric))
