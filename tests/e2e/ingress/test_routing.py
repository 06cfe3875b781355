"""VirtualServices at the shared gateway: which host, path and header leads where, and how often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.ingress import Ingress
from tests.support.istio import gateway as gateway_of
from tests.support.istio import plain, routes, rule, to
from tests.support.outcomes import Outcome
from tests.support.probes import http_many
from tests.support.say import expect
from tests.support.stats import split_problems
from tests.support.timeouts import TIMEOUTS


@pytest.fixture(scope="module", autouse=True)
def declared(ingress: Ingress) -> None:
    """All of the namespace's hosts are the gateway's."""
    ingress.namespace.apply([gateway_of("edge", plain(ingress.host("*")))])


def reach(ingress: Ingress, label: str, who: str, path: str = "/") -> None:
    """Wait until that pod answers, and sees the gateway itself."""
    eventually(
        lambda: ingress.get(label, path),
        what=f"{who} answers {label}{path}",
        who=who,
        saw=ingress.gateway.pod,
    )


def nobody(ingress: Ingress, label: str) -> None:
    """Wait until the gateway itself says that there is no such host."""
    answer = eventually(
        lambda: ingress.get(label),
        what=f"nobody answers {label}",
        outcome=Outcome.HTTP_ERROR,
        status=404,
    )
    assert answer.who is None


def test_by_host(ingress: Ingress) -> None:
    """Each host leads to its own Service; one that moves takes its traffic along, and back."""
    first, second, third = (ingress.host(label) for label in ("first", "second", "third"))
    moved = routes("second", "edge", [third], rule(to("v2")))
    both = [
        routes("first", "edge", [first], rule(to("v1"))),
        routes("second", "edge", [second], rule(to("v2"))),
    ]
    with ingress.namespace.having(both):
        reach(ingress, "first", "v1")
        reach(ingress, "second", "v2")
        nobody(ingress, "third")
        ingress.namespace.apply([moved])
        reach(ingress, "third", "v2")
        nobody(ingress, "second")
        ingress.namespace.apply(both)
        reach(ingress, "second", "v2")
    nobody(ingress, "first")


@pytest.fixture(scope="module")
def by_path(ingress: Ingress) -> Iterator[None]:
    """v2 behind one path of each kind, and behind a header; v1 behind all else."""
    kinds = [{"exact": "/exact"}, {"prefix": "/prefix"}, {"regex": "/r[0-9]+"}]
    found = [{"uri": kind} for kind in kinds]
    heads = [{"headers": {"x-version": kind}} for kind in ({"exact": "v2"}, {"regex": "2[.]\\d+"})]
    made = routes(
        "paths",
        "edge",
        [ingress.host("paths")],
        rule(to("v2"), match=found + heads),
        rule(to("v1")),
    )
    with ingress.namespace.having([made]):
        reach(ingress, "paths", "v2", "/exact")
        yield


def answers(ingress: Ingress, who: str, path: str, headers: dict[str, str] | None = None) -> None:
    """That pod answers, at once: the rules are in force."""
    answer = ingress.get("paths", path, headers=headers)
    expect(answer, who=who, saw=ingress.gateway.pod, to=f"{path} with {headers or 'no header'}")


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/", "v1"),
        ("/exact", "v2"),
        ("/exact?x=1", "v2"),
        ("/exact/", "v1"),
        ("/exactly", "v1"),
        ("/prefix", "v2"),
        ("/prefix/x", "v2"),
        ("/prefixed", "v2"),  # a prefix of letters, where the Gateway API's is one of segments
        ("/x/prefix", "v1"),
        ("/r12", "v2"),
        ("/r", "v1"),
        ("/r12x", "v1"),  # all of the path must match
        ("/R12", "v1"),
    ],
)
def test_by_path(ingress: Ingress, by_path: None, path: str, who: str) -> None:
    """Exact, prefix and regex, each beside what only looks like it."""
    answers(ingress, who, path)


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ({"x-version": "v2"}, "v2"),
        ({"X-Version": "v2"}, "v2"),
        ({"x-version": "V2"}, "v1"),
        ({"x-version": "v20"}, "v1"),
        ({"x-version": "2.10"}, "v2"),
        ({"x-version": "12.10"}, "v1"),
        ({"x-other": "v2"}, "v1"),
    ],
)
def test_by_header(ingress: Ingress, by_path: None, headers: dict[str, str], who: str) -> None:
    """A header's name in any case, its value in its own."""
    answers(ingress, who, "/", headers)


def test_by_weight(ingress: Ingress) -> None:
    """80 to 20 is what it says, within what chance allows; 0 to 100 is nobody and all."""

    def split(first: int, second: int) -> list[str | None]:
        """Who answers, once the gateway has these weights: it says so in a header."""
        mark = f"{first}-{second}"
        wanted = rule(
            to("v1", weight=first),
            to("v2", weight=second),
            headers={"response": {"set": {"x-split": mark}}},
        )
        host = ingress.host("weights")
        ingress.namespace.apply([routes("weights", "edge", [host], wanted)])
        until(
            lambda: ingress.get("weights"),
            lambda answer: answer.who is not None and answer.headers.get("x-split") == (mark,),
            what=f"the gateway splits {mark}",
            timeout=TIMEOUTS.datapath,
            interval=0.2,
        )
        answers = http_many(ingress.client, ingress.url(), 200, host=host, fresh=False)
        return [answer.who for answer in answers]

    answered = split(80, 20)
    assert None not in answered
    assert not split_problems([str(who) for who in answered], {"v1": 80, "v2": 20})
    assert set(split(0, 100)) == {"v2"}
    assert split_problems([str(who) for who in split(20, 80)], {"v1": 80, "v2": 20})
