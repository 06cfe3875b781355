"""Rules that should be against those that are: what is written, and what is left alone."""

from __future__ import annotations

import pytest

from gkelab.cloud.controllers.rules import Changes, diff, owner, port_ranges, same
from tests.unit.cloud.controllers.made import Body
from tests.unit.cloud.controllers.test_services import BACKEND, POOL

LINK = "https://www.googleapis.com/compute/v1/projects/p/global/networks/net"


def there(rule: Body, **changes: object) -> Body:
    """A rule as the cloud tells of it."""
    extra = {"id": "1", "selfLink": "x", "disabled": False, "logConfig": {"enable": False}}
    return {**rule, "network": LINK, **extra, **changes}


def every(rule: Body) -> bool:
    return True


def test_what_is_missing_is_made_and_what_is_right_is_left() -> None:
    assert diff([POOL, BACKEND], [there(POOL)], every) == Changes(insert=(BACKEND,))


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 7},
        {"disabled": True},
        {"sourceRanges": ["10.0.0.0/8"]},
        {"sourceTags": ["mine"]},
        {"targetTags": []},
        {"allowed": [{"IPProtocol": "tcp"}]},
        {"network": LINK.replace("/net", "/other")},
    ],
)
def test_what_somebody_changed_is_changed_back(changes: Body) -> None:
    found = diff([POOL], [there(POOL, **changes)], every)
    assert found == Changes(update=({**POOL, "logConfig": {"enable": False}},))


def test_order_does_not_count_and_a_person_may_log() -> None:
    wide = {**POOL, "sourceRanges": ["10.0.0.0/8", "11.0.0.0/8"]}
    log = {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}
    seen = there(POOL, sourceRanges=["11.0.0.0/8", "10.0.0.0/8"], logConfig=log)
    assert diff([wide], [seen], every) == Changes()
    wanted = {**wide, "priority": 5}
    assert diff([wanted], [seen], every) == Changes(update=({**wanted, "logConfig": log},))


@pytest.mark.parametrize(
    "description",
    ["", "mine", "[]", "{}", '{"kubernetes.io/service-name":7}', BACKEND["description"]],
)
def test_a_rule_of_somebody_else_is_never_overwritten_or_deleted(description: str) -> None:
    theirs = there(POOL, description=description)
    assert diff([POOL], [theirs], every) == Changes(refused=(POOL["name"],))
    if owner(theirs) is None:
        assert diff([], [theirs], every) == Changes()


def test_what_is_wanted_no_more_goes_if_it_is_of_this_sort_and_cluster() -> None:
    assert diff([], [there(POOL)], every) == Changes(delete=(POOL["name"],))
    assert diff([], [there(POOL)], lambda rule: False) == Changes()


def test_a_rule_as_the_cloud_tells_it_is_the_same() -> None:
    assert same(POOL, there(POOL))
    assert not same(POOL, {**there(POOL), "direction": "EGRESS"})


@pytest.mark.parametrize(
    ("ports", "said"),
    [([], []), ([80], ["80"]), ([80, 80], ["80"]), ([3, 1, 2, 5], ["1-3", "5"])],
)
def test_port_ranges(ports: list[int], said: list[str]) -> None:
    assert port_ranges(ports) == said
