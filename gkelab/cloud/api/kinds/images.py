"""Public images, as far as programs ask for one before they make an instance.

The lab's VMs are containers of one image of its own, whatever image their disks name; so any
family of any public project has a newest image, and it is a name alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.kinds.places import number_of
from gkelab.cloud.api.links import BASE, GLOBAL, Ref

SUFFIX = "-lab"


def answer(project: str, parts: Sequence[str]) -> Body:
    """images.getFromFamily and images.get. ComputeError for what is neither."""
    if len(parts) == 2 and parts[0] == "family":
        return _image(project, f"{parts[1]}{SUFFIX}")
    if len(parts) == 1 and parts[0].endswith(SUFFIX):
        return _image(project, parts[0])
    if len(parts) == 1:
        raise errors.not_found(Ref("images", GLOBAL, parts[0]).path(project))
    raise errors.not_served("images but by family")


def _image(project: str, name: str) -> Body:
    path = Ref("images", GLOBAL, name).path(project)
    return {
        "kind": "compute#image",
        "id": number_of(path),
        "name": name,
        "family": name.removesuffix(SUFFIX),
        "description": "The local cloud's VMs are containers of the lab's own image.",
        "status": "READY",
        "architecture": "X86_64",
        "diskSizeGb": "10",
        "selfLink": BASE + path,
    }
