"""The cloud's container: its port and its state are kept, it is waited for and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.cloud.place import Place, recorded
from gkelab.cloud.rest import RestCloud
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.steps import start_cloud as starting
from gkelab.steps.start_cloud import adopt_cloud, cloud_container, free_port, start_cloud
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.steps.beside import changes, comes_up, lab_with_images, made
from tests.unit.tools import recorded as recording
from tests.unit.tools import stopped

NAME, VOLUME = "vpc-native-cloud", "gkelab.vpc-native.cloud"
INSPECT = ["docker", "container", "inspect", NAME]
HAS_VOLUME = ["docker", "volume", "inspect", VOLUME]
MAKE_VOLUME = [
    *("docker", "volume", "create", "--label", "gkelab.lab=vpc-native"),
    *("--label", "gkelab.role=cloud", VOLUME),
]
START = ["docker", "start", NAME]


@pytest.fixture
def lab(tmp_path: Path, run: Recorder, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(starting, "free_port", lambda: 40777)
    monkeypatch.setattr(RestCloud, "serves", lambda _: "gkelab")
    return lab_with_images(tmp_path, run)


def there_is(lab: Lab, run: Recorder, port: int, *, runs: bool = True, **changed: Any) -> str:
    """The recorded cloud, as this lab would make it at that port; its id."""
    raw = next(raw for raw in recording("containers") if raw["Name"] == f"/{NAME}")
    raw["Config"]["Labels"]["gkelab.spec"] = cloud_container(lab, port).spec
    raw["HostConfig"] = {"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}}
    image = lab.docker.image("gkelab/cloud:1")
    assert image
    raw["Image"] = image.id
    raw |= changed
    run.handle(INSPECT, json.dumps([raw if runs else stopped(raw)]))
    return str(raw["Id"])


def test_what_another_checkout_started_is_found(lab: Lab, run: Recorder) -> None:
    there_is(lab, run, 40123)
    lab.cloud_file.unlink()
    adopt_cloud(lab)
    assert recorded(lab.cloud_file) == Place("http://127.0.0.1:40123", "gkelab")
    adopt_cloud(lab)
    assert run.times(*INSPECT) == 1, "what is written down is not looked for"


def test_one_that_does_not_run_is_nowhere(lab: Lab, run: Recorder) -> None:
    there_is(lab, run, 40123, runs=False)
    lab.cloud_file.unlink()
    adopt_cloud(lab)
    assert not lab.cloud_file.exists()


def test_it_listens_on_the_management_network_and_is_published_on_loopback_alone(
    lab: Lab, run: Recorder
) -> None:
    run.handle(HAS_VOLUME, code=1)
    run.handle(MAKE_VOLUME)
    create, start = comes_up(lab, run, cloud_container(lab, 40777))
    assert start_cloud(lab) == "http://127.0.0.1:40777"
    assert changes(run) == [MAKE_VOLUME, create, start]
    spec = cloud_container(lab, 40777).spec
    assert create == [
        *("docker", "create", f"--name={NAME}", f"--hostname={NAME}"),
        *("--network=gkelab.vpc-native.management", "--publish=127.0.0.1:40777:8080"),
        *(f"--volume={VOLUME}:/var/lib/gkelab", "--restart=unless-stopped", "--init"),
        *("--label=gkelab.lab=vpc-native", "--label=gkelab.role=cloud"),
        *(f"--label=gkelab.spec={spec}", "gkelab/cloud:1"),
        *("python3", "-m", "gkelab.cloud.api", "--database=/var/lib/gkelab/cloud.sqlite"),
        *("--listen=0.0.0.0:8080", "--project=gkelab"),
        # What the cluster's pool, 203.0.113.0/28, leaves.
        *("--external-range=203.0.113.16/28", "--external-range=203.0.113.32/27"),
        "--frontend-range=198.51.100.0/24",
    ]
    assert recorded(lab.cloud_file) == Place("http://127.0.0.1:40777", "gkelab")


def test_one_that_runs_keeps_its_port_and_is_written_down(lab: Lab, run: Recorder) -> None:
    there_is(lab, run, 40123)
    lab.cloud_file.unlink()
    assert start_cloud(lab) == CACHED
    assert changes(run) == []
    assert recorded(lab.cloud_file).endpoint == "http://127.0.0.1:40123"


def test_one_that_is_stopped_keeps_it_too(lab: Lab, run: Recorder) -> None:
    there_is(lab, run, 40123, runs=False)
    run.handle(START)
    assert start_cloud(lab) == "http://127.0.0.1:40123"
    assert changes(run) == [START]


def test_with_a_new_image_its_port_and_its_volume_stay(lab: Lab, run: Recorder) -> None:
    create, start = made(lab, run, cloud_container(lab, 40123))
    old = there_is(lab, run, 40123, Image="sha256:old")
    remove = ["docker", "rm", "--force", "--volumes", old]
    run.handle(remove)
    assert start_cloud(lab) == "http://127.0.0.1:40123"
    assert changes(run) == [remove, create, start]


@pytest.mark.parametrize(
    "why",
    [
        "Bind for 127.0.0.1:40123 failed: port is already allocated",
        "failed to bind host port for 127.0.0.1:40123:172.19.0.2:8080/tcp: address already in use",
    ],
)
def test_a_port_that_somebody_has_taken_meanwhile_is_given_up(
    lab: Lab, run: Recorder, why: str
) -> None:
    run.handle(START, code=1, stderr=f"Error response from daemon: {why}")
    create, _ = made(lab, run, cloud_container(lab, 40777))
    old = there_is(lab, run, 40123, runs=False)
    remove = ["docker", "rm", "--force", "--volumes", old]
    run.handle(remove)
    assert start_cloud(lab) == "http://127.0.0.1:40777"
    assert changes(run) == [START, remove, create, START]
    assert recorded(lab.cloud_file).endpoint == "http://127.0.0.1:40777"


def test_what_else_docker_refuses_is_an_error(lab: Lab, run: Recorder) -> None:
    there_is(lab, run, 40123, runs=False)
    run.handle(START, code=1, stderr="Error response from daemon: no space left on device")
    with pytest.raises(CommandError, match="no space left"):
        start_cloud(lab)


def test_somebody_elses_volume_is_refused(lab: Lab, run: Recorder) -> None:
    comes_up(lab, run, cloud_container(lab, 40777))
    run.handle(HAS_VOLUME, '[{"Labels": null}]')
    with pytest.raises(LabError) as caught:
        start_cloud(lab)
    assert str(caught.value) == (
        f"The docker volume {VOLUME} is not this lab's. Remove it: docker volume rm {VOLUME}."
    )
    assert changes(run) == []


def test_a_cloud_that_does_not_answer_is_waited_for(
    lab: Lab, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: RestCloud) -> str:
        raise LabError("the cloud does not answer (ConnectionRefusedError)")

    monkeypatch.setattr(RestCloud, "serves", away)
    there_is(lab, run, 40123)
    with pytest.raises(WaitError, match=r"answers at http://127\.0\.0\.1:40123.*Refused"):
        start_cloud(lab)


def test_free_ports_are_free() -> None:
    assert 1024 < free_port() < 65536
