"""gcloud's commands for tests: a line in, what it came to out; and what many tests begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.unit.cloud.servers import PROJECT

LINK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"


@dataclass(frozen=True)
class Said:
    """What a command came to: its status, and both streams."""

    code: int
    out: str
    err: str


Gcloud = Callable[..., Said]


def good(gcloud: Gcloud, *lines: str) -> str:
    """What the last of some commands showed; all of them must be fine."""
    said = Said(1, "", "no command")
    for line in lines:
        said = gcloud(line)
        assert said.code == 0, f"{line}: {said.err}"
    return said.out


NET = "compute networks create net --subnet-mode=custom"
SUBNET = (
    "compute networks subnets create us --network=net --region=us-central1 --range=10.128.0.0/20"
    " --secondary-range=pods=10.4.0.0/20,services=10.5.0.0/25"
)
VM = "compute instances create vm --zone=us-central1-a --subnet=us --no-address --tags=a,b"


def described(gcloud: Gcloud, words: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(good(gcloud, f"compute {words}"))
    return found
