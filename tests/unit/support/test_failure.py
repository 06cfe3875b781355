"""What is saved of a failed test, and that its reports lead to it: pytest is really run."""

from __future__ import annotations

import json
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from gkelab.shell import Result, run
from gkelab.supply.pins import ROOT
from gkelab.tools.kubectl import Kubectl
from tests.support import failure
from tests.support.capture import capture
from tests.support.namespace import Namespace
from tests.support.packets import Packet
from tests.support.recorder import Recorder
from tests.support.running import Kept, run_of, running
from tests.unit.steps import make_lab
from tests.unit.support.test_capture import FRAME, Played
from tests.unit.support.test_packets import pcap

TEST = "tests/e2e/routing/test_pod_to_pod.py::test_x[a/b-1]@uplink"
NAME = "routing-test_pod_to_pod.py-test_x-a-b-1"
KEPT = Kept("vpc-native-worker", "eth0", "tcp port 80", pcap([FRAME, FRAME]))
LINE = "10.4.0.2:40000 > 10.4.1.3:8080 TCP SA ttl 63 length 40"


# --- files


def test_captures_are_saved_as_pcap_and_as_text(tmp_path: Path) -> None:
    other = Kept("t-x/client", "eth1", "", b"no pcap")
    failure.save_captures(tmp_path, TEST, [KEPT, other])
    folder = tmp_path / "captures" / NAME
    assert (folder / "1-vpc-native-worker-eth0.pcap").read_bytes() == KEPT.data
    text = (folder / "1-vpc-native-worker-eth0.txt").read_text().splitlines()
    assert text[0] == "vpc-native-worker eth0 tcp port 80: 2 packets"
    assert [line.partition(" ")[2] for line in text[1:]] == [LINE, LINE]
    said = (folder / "2-t-x-client-eth1.txt").read_text()
    assert said.startswith("t-x/client eth1 (everything)\nthis is no pcap file")
    assert ("capture", f"captures/{NAME}/2-t-x-client-eth1.pcap") in failure.saved(tmp_path, TEST)


def test_without_captures_there_is_no_folder(tmp_path: Path) -> None:
    failure.save_captures(tmp_path, TEST, [])
    assert list(tmp_path.iterdir()) == []
    assert failure.saved(tmp_path, TEST) == []


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        (
            Packet(
                protocol="TCP",
                source="10.0.0.1",
                destination="10.0.0.2",
                source_port=1,
                destination_port=80,
                flags="S",
                ttl=64,
                length=60,
            ),
            "10.0.0.1:1 > 10.0.0.2:80 TCP S ttl 64 length 60",
        ),
        (
            Packet(protocol="ICMP", source="a", destination="b", icmp_type=3, icmp_code=13),
            "a > b ICMP type 3 code 13 length 0",
        ),
        (
            Packet(
                protocol="UDP",
                source="a",
                destination="b",
                encapsulation="VXLAN",
                inner=Packet(protocol="ARP", source="c", destination="d", flags="request"),
            ),
            "a > b UDP length 0 VXLAN [c > d ARP request length 0]",
        ),
    ],
)
def test_a_packet_in_words(packet: Packet, line: str) -> None:
    assert failure.line(packet) == line


def test_a_namespace_is_saved_and_what_cannot_be_had_leaves_its_error(tmp_path: Path) -> None:
    run = Recorder()
    kubectl = Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)
    lab = make_lab(tmp_path / "lab", run)
    namespace = Namespace("t-x", kubectl, lab.plan.clusters[0], lab)
    where = "--namespace=t-x"
    kinds = "pods,services,endpointslices,networkpolicies,deployments,daemonsets"
    run.handle(kubectl.argv("get", "events", where, "--sort-by=.lastTimestamp"), "BackOff\n")
    run.handle(kubectl.argv("describe", "pods", where), "Token: abc123\n")
    run.handle(kubectl.argv("get", kinds, where, "--output=yaml"), code=1, stderr="refused")
    run.handle(kubectl.argv("get", "pods", where, "--output=json"), json.dumps({"items": []}))
    failure.save_namespace(tmp_path, TEST, namespace)
    folder = tmp_path / "failures" / NAME / "t-x"
    assert (folder / "events.txt").read_text() == "BackOff\n"
    assert (folder / "pods.txt").read_text() == "Token: (removed)\n"
    assert "refused" in (folder / "objects.yaml.error").read_text()
    assert {path.rpartition("/")[2] for _, path in failure.saved(tmp_path, TEST)} == {
        *("events.txt", "pods.txt", "objects.yaml.error")
    }
    failure.clear(tmp_path, TEST)
    assert failure.saved(tmp_path, TEST) == []
    assert all(call.timeout for call in run.calls)


# --- what a run keeps


def test_captures_are_kept_inside_of_a_run_and_when_the_block_fails() -> None:
    def once() -> None:
        tool = Played()
        with capture(tool, start=tool, clock=tool.time.clock(), filter="udp"):
            tool.frames.append((0.0, FRAME))
            raise AssertionError("mine")

    with run_of("r") as now, pytest.raises(AssertionError, match="mine"):
        once()
    assert now.captures == [Kept("node-1", "eth0", "udp", pcap([FRAME]))]
    with pytest.raises(AssertionError, match="mine"):
        once()
    assert len(now.captures) == 1
    assert running() is None


def test_a_namespace_carries_its_run(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, Recorder())
    run = Recorder()
    kubectl = Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)
    how = ["--server-side", "--force-conflicts", "--field-manager=gkelab", "--filename=-"]
    run.handle(kubectl.argv("apply", *how))
    made = Namespace("t-x", kubectl, lab.plan.clusters[0], lab)
    with run_of("r1"):
        made.create({"a": "b"})
    with run_of(""):
        made.create({})
    made.create({})
    first, second, third = (call.input or "" for call in run.calls)
    labels = yaml.safe_load(first)["metadata"]["labels"]
    assert labels == {"a": "b", "gkelab.test": "true", "gkelab.test-run": "r1"}
    assert "gkelab.test-run" not in second + third


# --- the reports of a real run

CONFTEST = """
from pathlib import Path
from tests.conftest import *
from tests.e2e import conftest as real
from tests.e2e.conftest import evidence, pytest_runtest_makereport, run
from tests.e2e.conftest import pytest_html_results_table_html
real.REPORT = Path({report!r})
"""
INNER = """
import pytest
from tests.support.running import Kept, running

KEPT = Kept("node-1", "eth0", "tcp", bytes.fromhex({data!r}))

def test_good():
    running().captures.append(KEPT)

def test_bad():
    running().captures.append(KEPT)
    assert False, 'it does not: {{"password": "hunter<2>"}}'

@pytest.fixture
def broken():
    running().captures.append(KEPT)
    raise ValueError("cannot be set up")

def test_not_set_up(broken):
    pass

def test_the_runs_id():
    assert running().labels() == {{"gkelab.test": "true", "gkelab.test-run": "r7"}}
"""


def runs(folder: Path, *words: str) -> Result:
    """pytest on made-up tests with the hooks of the end-to-end tests."""
    tests = folder / "tests" / "e2e" / "routing"
    tests.mkdir(parents=True, exist_ok=True)
    report = folder / "report"
    (folder / "conftest.py").write_text(CONFTEST.format(report=str(report)))
    (tests / "test_x.py").write_text(INNER.format(data=KEPT.data.hex()))
    argv = [sys.executable, "-m", "pytest", "--rootdir=.", "-c", "none.ini", "tests"]
    argv += ["-p", "no:cacheprovider", f"--junitxml={report}/junit.xml"]
    argv += [f"--html={report}/report.html", "--self-contained-html", "--run-id=r7", *words]
    (folder / "none.ini").write_text("[pytest]\n")
    return run(argv, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=False)


@pytest.fixture(params=[[], ["-n1"]], ids=["alone", "workers"], scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    done = runs(folder, *request.param)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "1 error" in done.stdout
    return folder / "report"


def properties(report: Path, test: str) -> list[tuple[str, str]]:
    tree = ElementTree.parse(report / "junit.xml")
    (case,) = [case for case in tree.iter("testcase") if case.get("name") == test]
    return [(p.get("name", ""), p.get("value", "")) for p in case.iter("property")]


@pytest.mark.parametrize("test", ["test_bad", "test_not_set_up"])
def test_a_failed_tests_captures_are_linked_in_both_reports(ran: Path, test: str) -> None:
    folder = f"captures/routing-test_x.py-{test}"
    files = [f"{folder}/1-node-1-eth0.pcap", f"{folder}/1-node-1-eth0.txt"]
    assert (ran / files[0]).read_bytes() == KEPT.data
    expected = [("suite", "routing"), *(("capture", file) for file in files)]
    assert properties(ran, test) == expected
    html = (ran / "report.html").read_text()
    assert all(file in html for file in files)


def test_a_good_test_has_its_suite_and_leaves_nothing(ran: Path) -> None:
    assert properties(ran, "test_good") == [("suite", "routing")]
    assert not (ran / "captures" / "routing-test_x.py-test_good").exists()
    html = (ran / "report.html").read_text()
    assert 'data-column-type="suite"' in html
    assert unescape(html).count('class=\\"col-suite\\">routing<') == 4


def test_the_reports_have_durations(ran: Path) -> None:
    tree = ElementTree.parse(ran / "junit.xml")
    assert all(float(case.get("time", "-1")) >= 0 for case in tree.iter("testcase"))
    assert "col-duration" in (ran / "report.html").read_text()


def test_the_page_has_no_secrets(ran: Path) -> None:
    html = unescape(unescape((ran / "report.html").read_text()))
    assert 'it does not: {"password": "(removed)"}' in html
    assert "hunter" not in html


def test_the_next_run_removes_what_the_last_one_left(tmp_path: Path) -> None:
    runs(tmp_path, "-k", "bad")
    old = tmp_path / "report" / "captures" / "routing-test_x.py-test_bad" / "old.txt"
    old.write_text("old")
    other = tmp_path / "report" / "captures" / "another" / "old.txt"
    other.parent.mkdir()
    other.write_text("old")
    runs(tmp_path, "-k", "bad")
    assert not old.exists()
    assert other.exists(), "another suite's is not wiped"
