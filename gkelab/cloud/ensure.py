"""Having resources be as wanted, through the client: what is there already is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gkelab.cloud.client import Body, Cloud
from gkelab.cloud.resources import Wanted
from gkelab.errors import LabError


def ensure(cloud: Cloud, wanted: Iterable[Wanted]) -> list[str]:
    """Make what is missing and change what differs, one after the other; what was done, a line
    each. Raises LabError when something there cannot become what is wanted, CloudError when the
    cloud refuses."""
    done = []
    for item in wanted:
        current = cloud.find(item.collection, item.scope, item.name)
        if current is None:
            cloud.insert(item.collection, item.scope, item.body)
            done.append(f"{item.collection} {item.name} made")
        elif changes := list(_changes(cloud, item, current)):
            done.append(f"{item.collection} {item.name}: {', '.join(changes)} changed")
    return done


def _changes(cloud: Cloud, item: Wanted, current: Body) -> Iterator[str]:
    differing = {
        key: value for key, value in item.body.items() if not _same(value, current.get(key))
    }
    if differing and item.collection == "firewalls":
        # At once and as a whole: a rule is never half the old one.
        said = {"firewall": item.name, "firewallResource": item.body}
        cloud.write("update", "firewalls", item.scope, said)
        yield from differing
        return
    for key, value in differing.items():
        change = _CHANGES.get((item.collection, key))
        if change is None:
            raise LabError(
                f"{item.collection} {item.name} has {key} {current.get(key)!r}, not {value!r}",
                "delete it, or say of it what is so",
            )
        change(cloud, item, current)
        yield key


def _same(wanted: Any, current: Any) -> bool:
    """Whether all that is wanted is so: links may be shorter, objects may have more."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(_same(value, current.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        found = current or []
        pairs = zip(wanted, found, strict=False)
        return len(wanted) == len(found) and all(_same(a, b) for a, b in pairs)
    if isinstance(wanted, str) and isinstance(current, str):
        return wanted == current or current.endswith(f"/{wanted}")
    return bool(wanted == current)


def _expand(cloud: Cloud, item: Wanted, current: Body) -> None:
    said = {
        "subnetwork": item.name,
        "subnetworksExpandIpCidrRangeRequestResource": {"ipCidrRange": item.body["ipCidrRange"]},
    }
    cloud.write("expand_ip_cidr_range", "subnetworks", item.scope, said)


def _secondary_ranges(cloud: Cloud, item: Wanted, current: Body) -> None:
    """Compute neither adds and removes at once, nor changes a range."""
    wanted = item.body["secondaryIpRanges"]
    kept = [one for one in current.get("secondaryIpRanges", []) if one in wanted]
    for ranges in (kept, wanted):
        now = cloud.get("subnetworks", item.scope, item.name)
        if now.get("secondaryIpRanges", []) != ranges:
            body = {"fingerprint": now["fingerprint"], "secondaryIpRanges": ranges}
            cloud.patch("subnetworks", item.scope, item.name, body)


def _tags(cloud: Cloud, item: Wanted, current: Body) -> None:
    tags = {**item.body["tags"], "fingerprint": current["tags"]["fingerprint"]}
    cloud.write("set_tags", "instances", item.scope, {"instance": item.name, "tagsResource": tags})


def _labels(cloud: Cloud, item: Wanted, current: Body) -> None:
    labels = {"labels": item.body["labels"], "labelFingerprint": current["labelFingerprint"]}
    said = {"instance": item.name, "instancesSetLabelsRequestResource": labels}
    cloud.write("set_labels", "instances", item.scope, said)


def _metadata(cloud: Cloud, item: Wanted, current: Body) -> None:
    metadata = {**item.body["metadata"], "fingerprint": current["metadata"]["fingerprint"]}
    said = {"instance": item.name, "metadataResource": metadata}
    cloud.write("set_metadata", "instances", item.scope, said)


def _interfaces(cloud: Cloud, item: Wanted, current: Body) -> None:
    """The alias ranges of each interface; an instance keeps its addresses and its subnets."""
    there = current["networkInterfaces"]
    for wanted, nic in zip(item.body["networkInterfaces"], there, strict=True):
        aliases = wanted.get("aliasIpRanges", [])
        rest = {key: value for key, value in wanted.items() if key != "aliasIpRanges"}
        if not _same(rest, nic):
            raise LabError(f"instance {item.name} has another interface than {rest!r}", "delete it")
        said = {
            "instance": item.name,
            "networkInterface": nic["name"],
            "networkInterfaceResource": {
                "aliasIpRanges": aliases,
                "fingerprint": nic["fingerprint"],
            },
        }
        cloud.write("update_network_interface", "instances", item.scope, said)


_CHANGES: dict[tuple[str, str], Callable[[Cloud, Wanted, Body], None]] = {
    ("subnetworks", "ipCidrRange"): _expand,
    ("subnetworks", "secondaryIpRanges"): _secondary_ranges,
    ("instances", "tags"): _tags,
    ("instances", "labels"): _labels,
    ("instances", "metadata"): _metadata,
    ("instances", "networkInterfaces"): _interfaces,
}
