"""Having resources be as wanted, through the client: what is there already is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gkelab.cloud.asking import Asking, Body, CloudError
from gkelab.cloud.resources import Wanted
from gkelab.errors import LabError

_EVERYWHERE = "0.0.0.0/0"
_IN_USE = "resourceInUseByAnotherResource"
# What a firewall rule is where nothing is said of it.
_RULE: Body = {
    "sourceRanges": [],
    "sourceTags": [],
    "destinationRanges": [],
    "targetTags": [],
    "allowed": [],
    "denied": [],
    "description": "",
    "direction": "INGRESS",
    "priority": 1000,
    "disabled": False,
    "logConfig": {"enable": False},
}


def ensure(cloud: Asking, wanted: Iterable[Wanted]) -> list[str]:
    """Make what is missing and change what differs, one after the other; what was done, a line
    each. Raises LabError when something there cannot become what is wanted, CloudError when the
    cloud refuses."""
    items = list(wanted)
    done = _released(cloud, items)
    for item in items:
        current = cloud.find(item.collection, item.scope, item.name)
        if current is None:
            cloud.insert(item.collection, item.scope, item.body)
            done.append(f"{item.collection} {item.name} made")
        elif changes := list(_changes(cloud, item, current)):
            done.append(f"{item.collection} {item.name}: {', '.join(changes)} changed")
    return done


def _released(cloud: Asking, items: Iterable[Wanted]) -> list[str]:
    """Take from instances the alias ranges that others are to have: a range moves, and before it
    has left the one, the other cannot have it."""
    wanted = {
        network: item.name
        for item in items
        for nic in _interfaces_of(item)
        for network in _networks(nic)
    }
    done = []
    for item in items:
        if not any("aliasIpRanges" in nic for nic in _interfaces_of(item)):
            continue
        current = cloud.find("instances", item.scope, item.name) or {}
        for nic in current.get("networkInterfaces", []):
            had = nic.get("aliasIpRanges", [])
            kept = [a for a in had if wanted.get(a["ipCidrRange"], item.name) == item.name]
            if kept != had:
                _set_aliases(cloud, item, nic, kept)
                done.append(f"instances {item.name}: alias ranges of others taken away")
    return done


def _interfaces_of(item: Wanted) -> list[Body]:
    return list(item.body["networkInterfaces"]) if item.collection == "instances" else []


def _networks(nic: Body) -> list[str]:
    return [alias["ipCidrRange"] for alias in nic.get("aliasIpRanges", [])]


def _changes(cloud: Asking, item: Wanted, current: Body) -> Iterator[str]:
    if item.collection == "firewalls":
        yield from _firewall(cloud, item, current)
        return
    differing = {
        key: value for key, value in item.body.items() if not _same(value, current.get(key))
    }
    for key, value in differing.items():
        if (item.collection, key) == ("subnetworks", "secondaryIpRanges"):
            yield from _secondary_ranges(cloud, item)
            continue
        change = _CHANGES.get((item.collection, key))
        if change is None:
            raise LabError(
                f"{item.collection} {item.name} has {key} {current.get(key)!r}, not {value!r}",
                "delete it, or say of it what is so",
            )
        change(cloud, item, current)
        yield key


def _firewall(cloud: Asking, item: Wanted, current: Body) -> Iterator[str]:
    """A rule at once and as a whole: never half the old one, and what is not said of it is as
    Compute has it by default, not as somebody left it (one source more admits more)."""
    wanted, there = _whole_rule(item.body), _whole_rule(current)
    keys = [*item.body, *(key for key in wanted if key not in item.body)]
    differing = [key for key in keys if not _same(wanted[key], there[key])]
    if differing:
        said = {"firewall": item.name, "firewallResource": item.body}
        cloud.write("update", "firewalls", item.scope, said)
        yield from differing


def _whole_rule(body: Body) -> Body:
    """A firewall rule with what Compute fills in."""
    whole = {**_RULE, **body}
    for side in ("allowed", "denied"):
        whole[side] = [{"ports": [], **protocol} for protocol in whole[side]]
    if whole["logConfig"].get("enable"):
        whole["logConfig"] = {"metadata": "INCLUDE_ALL_METADATA", **whole["logConfig"]}
    if whole["direction"] == "EGRESS":
        whole["destinationRanges"] = whole["destinationRanges"] or [_EVERYWHERE]
    elif not whole["sourceTags"]:
        whole["sourceRanges"] = whole["sourceRanges"] or [_EVERYWHERE]
    return whole


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


def _expand(cloud: Asking, item: Wanted, current: Body) -> None:
    said = {
        "subnetwork": item.name,
        "subnetworksExpandIpCidrRangeRequestResource": {"ipCidrRange": item.body["ipCidrRange"]},
    }
    cloud.write("expand_ip_cidr_range", "subnetworks", item.scope, said)


def _secondary_ranges(cloud: Asking, item: Wanted) -> Iterator[str]:
    """Compute neither adds and removes at once, nor changes a range, nor takes away one of which
    an instance has an address: what somebody made so stays, beside what is wanted."""
    wanted = item.body["secondaryIpRanges"]
    before = _ranges(cloud, item)
    try:
        _set_ranges(cloud, item, [one for one in before if one in wanted])
    except CloudError as refused:
        if refused.reason != _IN_USE:
            raise
        _set_ranges(cloud, item, [*before, *(one for one in wanted if one not in before)])
    else:
        _set_ranges(cloud, item, wanted)
    if _ranges(cloud, item) != before:
        yield "secondaryIpRanges"


def _ranges(cloud: Asking, item: Wanted) -> list[Body]:
    found = cloud.get("subnetworks", item.scope, item.name)
    return list(found.get("secondaryIpRanges", []))


def _set_ranges(cloud: Asking, item: Wanted, ranges: list[Body]) -> None:
    now = cloud.get("subnetworks", item.scope, item.name)
    if now.get("secondaryIpRanges", []) != ranges:
        body = {"fingerprint": now["fingerprint"], "secondaryIpRanges": ranges}
        cloud.patch("subnetworks", item.scope, item.name, body)


def _tags(cloud: Asking, item: Wanted, current: Body) -> None:
    tags = {**item.body["tags"], "fingerprint": current["tags"]["fingerprint"]}
    cloud.write("set_tags", "instances", item.scope, {"instance": item.name, "tagsResource": tags})


def _labels(cloud: Asking, item: Wanted, current: Body) -> None:
    labels = {"labels": item.body["labels"], "labelFingerprint": current["labelFingerprint"]}
    said = {"instance": item.name, "instancesSetLabelsRequestResource": labels}
    cloud.write("set_labels", "instances", item.scope, said)


def _metadata(cloud: Asking, item: Wanted, current: Body) -> None:
    metadata = {**item.body["metadata"], "fingerprint": current["metadata"]["fingerprint"]}
    said = {"instance": item.name, "metadataResource": metadata}
    cloud.write("set_metadata", "instances", item.scope, said)


def _forwarding(cloud: Asking, item: Wanted, current: Body) -> None:
    """instances.update takes the whole of an instance."""
    body = {**current, "canIpForward": item.body["canIpForward"]}
    said = {"instance": item.name, "instanceResource": body}
    cloud.write("update", "instances", item.scope, said)


def _interfaces(cloud: Asking, item: Wanted, current: Body) -> None:
    """The alias ranges and the public address of each interface, where they are said; an instance
    keeps its addresses and its subnets."""
    for wanted, nic in zip(
        item.body["networkInterfaces"], current["networkInterfaces"], strict=True
    ):
        rest = {k: v for k, v in wanted.items() if k not in ("aliasIpRanges", "accessConfigs")}
        if not _same(rest, nic):
            raise LabError(f"instance {item.name} has another interface than {rest!r}", "delete it")
        configs, had = wanted.get("accessConfigs"), nic.get("accessConfigs", [])
        if configs is not None and not _same(configs, had):
            _set_access(cloud, item, nic, configs)
        if "aliasIpRanges" in wanted and not _same(
            wanted["aliasIpRanges"], nic.get("aliasIpRanges")
        ):
            now = cloud.get("instances", item.scope, item.name)["networkInterfaces"]
            (fresh,) = (one for one in now if one["name"] == nic["name"])
            _set_aliases(cloud, item, fresh, wanted["aliasIpRanges"])


def _set_aliases(cloud: Asking, item: Wanted, nic: Body, aliases: list[Body]) -> None:
    body = {"aliasIpRanges": aliases, "fingerprint": nic["fingerprint"]}
    said = {
        "instance": item.name,
        "networkInterface": nic["name"],
        "networkInterfaceResource": body,
    }
    cloud.write("update_network_interface", "instances", item.scope, said)


def _set_access(cloud: Asking, item: Wanted, nic: Body, configs: list[Body]) -> None:
    where = {"instance": item.name, "networkInterface": nic["name"]}
    for config in nic.get("accessConfigs", []):
        said = {**where, "accessConfig": config["name"]}
        cloud.write("delete_access_config", "instances", item.scope, said)
    for config in configs:
        said = {**where, "accessConfigResource": config}
        cloud.write("add_access_config", "instances", item.scope, said)


_CHANGES: dict[tuple[str, str], Callable[[Asking, Wanted, Body], None]] = {
    ("subnetworks", "ipCidrRange"): _expand,
    ("instances", "canIpForward"): _forwarding,
    ("instances", "tags"): _tags,
    ("instances", "labels"): _labels,
    ("instances", "metadata"): _metadata,
    ("instances", "networkInterfaces"): _interfaces,
}
