"""What a cloud has from its start: resources read from a file, made as a client would."""

from __future__ import annotations

import json
from pathlib import Path

from gkelab.cloud.api.errors import ComputeError
from gkelab.cloud.api.kinds import KINDS
from gkelab.cloud.api.service import Service
from gkelab.errors import LabError


def sow(service: Service, file: Path) -> None:
    """Make the resources of a JSON file: a list of {"collection", "scope", "body"}, in the order
    in which they need each other. Those that are there stay as they are. LabError names what is
    wrong."""
    try:
        items = json.loads(file.read_text())
        places = [(KINDS[item["collection"]], item["scope"], item["body"]) for item in items]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{file} is no seed: {error!r}", "give a list of resources") from None
    for kind, scope, body in places:
        try:
            service.ensure(kind, scope, body)
        except ComputeError as error:
            raise LabError(f"{file}: {kind.collection} {body.get('name')}: {error}") from None
