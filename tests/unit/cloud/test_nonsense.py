"""Whatever is sent, the cloud answers as Compute would: made, or refused; never at a loss."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gkelab.cloud.api.errors import ComputeError
from gkelab.cloud.api.kinds import KINDS
from gkelab.cloud.api.service import Call, Service
from gkelab.cloud.api.store import Store
from tests.unit.cloud import made
from tests.unit.cloud.servers import SETTINGS, Http

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            *("", "/", "/24", "10.0.0.0/8", "10.128.0.5", "0.0.0.0/0", "a" * 64, "9" * 5000, "٣"),
            *("global/networks/net", "regions/us-central1/subnetworks/us", "zones/a/b/c/d"),
            *("80", "1-2", "1-", "-1", "tcp", "EGRESS", "INTERNAL", "EXTERNAL", "\ud800", "a:b"),
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["items", "key", "ports", "ipCidrRange"]), inner, max_size=2
        ),
    ),
    max_leaves=4,
)


def places(body: Any) -> list[tuple[Any, Any]]:
    """Every place in a body: what it is in, and its key or index there."""
    found = []
    pairs = body.items() if isinstance(body, dict) else enumerate(body)
    for key, value in list(pairs):
        found.append((body, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


WHOLE: dict[str, dict[str, Any]] = {
    "networks": {"routingConfig": {"routingMode": "GLOBAL"}, "mtu": 1500},
    "subnetworks": {
        "name": "x",
        "ipCidrRange": "10.9.0.0/24",
        "secondaryIpRanges": [{"rangeName": "x", "ipCidrRange": "10.10.0.0/24"}],
    },
    "firewalls": {
        "sourceRanges": ["10.0.0.0/8"],
        "sourceTags": ["a"],
        "priority": 5,
        "direction": "INGRESS",
        "logConfig": {"enable": True},
        "disabled": False,
    },
    "routes": {"priority": 7, "tags": ["a"]},
    "addresses": {"address": "10.128.0.9", "labels": {"a": "b"}, "purpose": "GCE_ENDPOINT"},
    "instances": {
        "tags": {"items": ["a"]},
        "labels": {"a": "b"},
        "metadata": {"items": [{"key": "a", "value": "b"}]},
        "scheduling": {"preemptible": True},
        "networkInterfaces": [
            {
                "subnetwork": "regions/us-central1/subnetworks/us",
                "networkIP": "10.128.0.7",
                "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": "pods"}],
                "accessConfigs": [{"name": "x", "natIP": "203.0.113.1"}],
            }
        ],
    },
}


def service() -> Service:
    made_so = Service(Store(Path(":memory:"), SETTINGS))
    made_so.insert(KINDS["networks"], "global", Call(made.NETWORK, {}))
    made_so.insert(KINDS["subnetworks"], "regions/us-central1", Call(made.SUBNET, {}))
    return made_so


@pytest.mark.parametrize("collection", made.BODIES)
@settings(max_examples=120)
@given(data=st.data())
def test_a_body_with_nonsense_in_it(collection: str, data: st.DataObject) -> None:
    cloud = service()
    body = copy.deepcopy({**made.BODIES[collection], **WHOLE[collection]})
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places(body)))
        holder[key] = data.draw(VALUES)
    scope = made.PLACES[collection].rpartition("/")[0]
    before = cloud.state()
    try:
        operation = cloud.insert(KINDS[collection], scope, Call(body, {}))
    except ComputeError as refused:
        assert 400 <= refused.code < 500
        assert refused.body()["error"]["errors"][0]["reason"]
        assert cloud.state() == before
    else:
        assert operation["status"] == "DONE"


def test_what_is_nested_too_deeply(http: Http) -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    made.base(http)
    body = made.body("instances", serviceAccounts=deep)
    answer = http.send("POST", made.PLACES["instances"], body)
    assert answer.status_code in (200, 400)
    for text in ("(" * 3000 + "name = a" + ")" * 3000, "NOT " * 3000 + "name = a"):
        assert http("GET", "global/networks", filter=text)["error"]["code"] == 400
    assert http("GET", "global/networks", fields="a(" * 3000)["error"]["code"] == 400
    # And it goes on.
    made.make(http, "firewalls")


def test_a_wrong_mask_does_nothing(http: Http) -> None:
    assert http("POST", "global/networks", made.NETWORK, fields="(")["error"]["code"] == 400
    assert "items" not in http("GET", "global/networks")


@pytest.mark.parametrize("wait", ["nan", "-1", "1e9", "x"])
def test_a_wrong_wait(http: Http, wait: str) -> None:
    assert http.state(wait=wait).status_code == 400
