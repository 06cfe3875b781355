"""Lists, page by page: everything once, in order, whatever comes and goes in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud.api.errors import ComputeError
from gkelab.cloud.api.links import Ref
from gkelab.cloud.api.listing import Item, Paging, page
from tests.unit.cloud import made
from tests.unit.cloud.servers import PROJECT, REGION, Google, Http

KNOWN = ("name", "creationTimestamp", "size")
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,3}", fullmatch=True)
SCOPES = st.sampled_from(["global", "regions/a", "zones/a-b"])
ITEMS = st.dictionaries(st.tuples(SCOPES, NAMES), st.integers(0, 3), max_size=30)
ORDERS = st.sampled_from(["name", "creationTimestamp desc"])


def items(sizes: dict[tuple[str, str], int]) -> list[Item]:
    return [
        (Ref("things", scope, name), {"name": name, "size": size, "creationTimestamp": f"T{size}"})
        for (scope, name), size in sizes.items()
    ]


def pages(
    sizes: dict[tuple[str, str], int], size: int, order: str, text: str = ""
) -> list[list[Item]]:
    found, token = [], ""
    while True:
        one, following = page(items(sizes), Paging(text, size, order, token), KNOWN)
        found.append(one)
        if following is None:
            return found
        assert len(one) == size
        token = following


@given(ITEMS, st.integers(1, 10), ORDERS)
def test_pages_are_the_whole_list(sizes: dict[tuple[str, str], int], size: int, order: str) -> None:
    paged = [item for one in pages(sizes, size, order) for item in one]
    whole, token = page(items(sizes), Paging("", 500, order, ""), KNOWN)
    assert (paged, token) == (whole, None)
    assert len(paged) == len(sizes)
    if order == "name":
        assert [ref.name for ref, _ in paged if ref.scope == "global"] == sorted(
            name for scope, name in sizes if scope == "global"
        )
    else:
        times = [body["creationTimestamp"] for _, body in paged]
        assert times == sorted(times, reverse=True)


@given(ITEMS, st.integers(1, 10), ORDERS, st.integers(0, 3))
def test_a_filtered_list_has_what_is_meant(
    sizes: dict[tuple[str, str], int], size: int, order: str, wanted: int
) -> None:
    paged = [item for one in pages(sizes, size, order, f"size >= {wanted}") for item in one]
    assert {(ref.scope, ref.name) for ref, _ in paged} == {
        key for key, value in sizes.items() if value >= wanted
    }


@given(ITEMS, ITEMS, st.integers(1, 10))
def test_what_comes_and_goes_disturbs_no_other(
    sizes: dict[tuple[str, str], int], others: dict[tuple[str, str], int], size: int
) -> None:
    """Between two pages, all that is in `others` comes or goes."""
    first, token = page(items(sizes), Paging("", size, "name", ""), KNOWN)
    seen = [ref for ref, _ in first]
    changed = {
        **{k: v for k, v in sizes.items() if k not in others},
        **{k: v for k, v in others.items() if k not in sizes},
    }
    while token is not None:
        more, token = page(items(changed), Paging("", size, "name", token), KNOWN)
        seen += [ref for ref, _ in more]
    assert len(seen) == len(set(seen))
    staying = {Ref("things", *key) for key in sizes.keys() - others.keys()}
    assert staying <= set(seen)


@given(st.text(max_size=40))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        page(items({("global", "a"): 1}), Paging("", 1, "name", text), KNOWN)
    except ComputeError as refused:
        assert "pageToken" in refused.message


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"maxResults": "501"}, "maxResults"),
        ({"maxResults": "-1"}, "maxResults"),
        ({"maxResults": "x"}, "maxResults"),
        ({"orderBy": "size"}, "orderBy"),
        ({"orderBy": "name desc"}, "orderBy"),
        ({"pageToken": "x"}, "pageToken"),
        ({"filter": "what"}, "filter"),
    ],
)
def test_what_a_list_is_not_asked(http: Http, query: dict[str, str], field: str) -> None:
    error = http("GET", "global/networks", **query)["error"]
    assert (error["code"], error["errors"][0]["reason"]) == (400, "invalid")
    assert f"field '{field}'" in error["message"]


def test_a_token_is_of_one_list(http: Http) -> None:
    made.base(http)
    token = http("GET", "global/routes", maxResults=2)["nextPageToken"]
    assert http("GET", "global/routes", pageToken=token)["items"]
    error = http("GET", "global/routes", pageToken=token, filter="name:*")["error"]
    assert "pageToken" in error["message"]


def test_the_shape_of_lists(http: Http) -> None:
    empty = http("GET", "global/networks")
    path = f"projects/{PROJECT}/global/networks"
    base = "https://www.googleapis.com/compute/v1/"
    assert empty == {"kind": "compute#networkList", "id": path, "selfLink": base + path}
    made.base(http)
    regional = http("GET", f"regions/{REGION}/subnetworks")
    assert regional["kind"] == "compute#subnetworkList"
    assert regional["items"] == [http("GET", f"regions/{REGION}/subnetworks/us")]
    whole: dict[str, Any] = http("GET", "aggregated/subnetworks")
    assert whole["kind"] == "compute#subnetworkAggregatedList"
    assert whole["items"][f"regions/{REGION}"] == {"subnetworks": regional["items"]}
    assert whole["items"]["regions/europe-west1"]["warning"] == {
        "code": "NO_RESULTS_ON_PAGE",
        "message": "There are no results for scope 'regions/europe-west1' on this page.",
        "data": [{"key": "scope", "value": "regions/europe-west1"}],
    }
    for more in ({"returnPartialSuccess": "true"}, {"includeAllScopes": "true"}):
        assert http("GET", "aggregated/subnetworks", **more) == whole
    assert http("GET", "regions", maxResults=0)["kind"] == "compute#regionList"
    assert set(http("GET", "aggregated/addresses")["items"]) >= {"global", f"regions/{REGION}"}


def test_the_client_turns_the_pages(google: Google, http: Http) -> None:
    made.base(http)
    for index in range(7):
        made.make(http, "firewalls", name=f"fw-{index}")
    pager = google.firewalls.list({"project": PROJECT, "max_results": 3})
    assert [len(one.items) for one in pager.pages] == [3, 3, 1]
    for zone in ("a", "b"):
        for index in range(3):
            http("POST", f"zones/us-central1-{zone}/instances", vm(zone, index))
    listed = google.instances.aggregated_list({"project": PROJECT, "max_results": 4})
    # Scopes of a page come in no order: they are a map to the client.
    found = sorted(instance.name for _, scoped in listed for instance in scoped.instances)
    assert found == ["vm-a0", "vm-a1", "vm-a2", "vm-b0", "vm-b1", "vm-b2"]
    newest = google.firewalls.list({"project": PROJECT, "order_by": "creationTimestamp desc"})
    assert next(iter(newest)).name == "fw-6"


def vm(zone: str, index: int) -> dict[str, Any]:
    machine = f"zones/us-central1-{zone}/machineTypes/e2-medium"
    return made.body("instances", name=f"vm-{zone}{index}", machineType=machine)
