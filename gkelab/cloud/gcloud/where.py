"""Which cloud a command is for: by gcloud's own environment variables, or the lab's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gkelab.cloud import place
from gkelab.cloud.client import Cloud
from gkelab.errors import LabError

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
PROJECT = "CLOUDSDK_CORE_PROJECT"


def from_environment(environment: Mapping[str, str]) -> Cloud | None:
    """The cloud that the environment names (as http://HOST:PORT/compute/v1/); None if it names
    none."""
    endpoint = environment.get(ENDPOINT, "").rstrip("/").removesuffix("/compute/v1")
    if not endpoint:
        return None
    if PROJECT not in environment:
        raise LabError(f"{ENDPOINT} is set and {PROJECT} is not", f"set {PROJECT} too")
    return Cloud(endpoint, environment[PROJECT])


def recorded(file: Path) -> Cloud:
    """The lab's cloud, as written down when it was started. LabError if it was not."""
    told = place.recorded(file)
    return Cloud(told.endpoint, told.project)
