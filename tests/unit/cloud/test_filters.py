"""Filter expressions: what they mean, what is none; and masks of fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud import expressions
from gkelab.cloud.api import masks
from gkelab.cloud.api.errors import ComputeError
from gkelab.cloud.api.filters import predicate
from gkelab.cloud.expressions import AIP_160, GCLOUD, ExpressionError, Node
from tests.unit.cloud import made
from tests.unit.cloud.servers import ZONE, Google, Http

RULE: dict[str, Any] = {
    "name": "web-1",
    "priority": 1000,
    "disabled": False,
    "direction": "INGRESS",
    "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/net",
    "labels": {"owner": "net", "tier": ""},
    "sourceRanges": ["10.0.0.0/8", "192.0.2.0/24"],
    "allowed": [{"IPProtocol": "tcp", "ports": ["80", "443"]}, {"IPProtocol": "icmp"}],
    "creationTimestamp": "2026-01-02T03:04:05.678+00:00",
    "logConfig": {"enable": True},
}
KNOWN = {*RULE, "description", "targetTags"}
TRUE = [
    "name = web-1",
    'name = "web-1"',
    "name='web-1'",
    "name != db-1",
    "name = web-*",
    "name:web",
    "name:web*",
    "name:*",
    "labels.owner:*",
    "labels.owner=net",
    # A label without a value is there.
    "labels.tier:*",
    "labels.tier = ''",
    "labels:owner",
    "priority = 1000",
    "priority > 999",
    "priority >= 1000",
    "priority<1001",
    "priority <= 1000",
    "disabled = false",
    "disabled != true",
    "logConfig.enable = true",
    "description = ''",
    "description != x",
    "-description:*",
    "NOT description:*",
    "NOT NOT name:*",
    "sourceRanges = 10.0.0.0/8",
    'sourceRanges:"192.0.2"',
    "allowed.IPProtocol = icmp",
    "allowed.ports = 443",
    "creationTimestamp > 2026-01-01T00:00:00Z",
    'creationTimestamp < "2027"',
    # The same moment, or nearly, elsewhere.
    'creationTimestamp <= "2026-01-01T19:04:05.678-08:00"',
    'creationTimestamp >= "2026-01-02T04:04:05.678+01:00"',
    'creationTimestamp > "2026-01-01T19:04:05Z"',
    'creationTimestamp < "2026-01-02T03:04:05.679Z"',
    'creationTimestamp < "2026-01-03"',
    "network:*/networks/net",
    "(name = web-1)",
    "(name = web-1) (priority = 1000)",
    "name = web-1 AND priority = 1000",
    "name = x OR name = web-1",
    "name = web-1 priority = 1000",
    # OR joins tighter than what stands beside it, and than AND.
    "name = web-1 OR name = a AND disabled = false",
    "disabled = false AND name = a OR name = web-1",
    '(name = a) OR (name = "web-1") AND (disabled = false)',
    "((name = a) OR ((name = web-1)))",
    # Regular expressions match the whole value.
    "name eq web-1",
    "name eq 'web-.*'",
    'name eq "web-[0-9]"',
    "name eq web-.+",
    "name ne web",
    "(name eq web.*) (direction ne EGRESS)",
    "( name eq web.* )",
    "priority eq 1...",
    "disabled eq false",
    "sourceRanges eq 10.*",
    "description eq ''",
    "description ne .+",
]
FALSE = [
    "name = web",
    "name = WEB-1",
    "name != web-1",
    "name:db",
    "labels.team:*",
    "priority > 1000",
    "priority < 999",
    "disabled = true",
    "description:*",
    "description = x",
    'creationTimestamp < "2026-01-01T19:04:05-08:00"',
    'creationTimestamp > "2026-01-02T04:00:00Z"',
    'creationTimestamp > "2026-01-02T03:04:05.678Z"',
    "name = web-1 AND disabled = true",
    "name = a OR name = b",
    "(name = web-1 OR name = a) AND disabled = true",
    "name = web-1 OR name = a AND disabled = true",
    "-name:web",
    "name eq web",
    "name ne web-.*",
    "(name eq web.*) (direction eq EGRESS)",
    "targetTags:*",
]
NONE = [
    "name",
    "name =",
    "= x",
    "name = (",
    "name = a b",
    "(name = a",
    "name = a)",
    "name = a AND",
    "AND name = a",
    "OR",
    "NOT",
    'name = "a',
    "name ~ a",
    "name = (a b)",
    "colour = red",
    "colour eq red",
    "name eq [",
    "(name eq a) (colour eq b)",
    "(name eq a) (name = b)",
    "name eq",
    "()",
    "name == a b",
]


@pytest.mark.parametrize("text", TRUE)
def test_a_filter_that_means_the_rule(text: str) -> None:
    assert predicate(text, KNOWN)(RULE)


@pytest.mark.parametrize("text", FALSE)
def test_a_filter_that_does_not(text: str) -> None:
    assert not predicate(text, KNOWN)(RULE)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ComputeError) as refused:
        predicate(text, KNOWN)
    assert (refused.value.code, refused.value.reason) == (400, "invalid")
    assert "Invalid list filter expression" in refused.value.message


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        predicate(text, KNOWN)(RULE)
    except ComputeError as refused:
        assert refused.reason == "invalid"


def trees(depth: int = 3) -> st.SearchStrategy[Any]:
    term = st.tuples(st.just("term"), NAMES, st.sampled_from(["=", "!="]))
    if depth == 0:
        return term
    below = trees(depth - 1)
    several = st.lists(below, min_size=2, max_size=3)
    return st.one_of(
        term,
        st.tuples(st.just("not"), below),
        st.tuples(st.just("and"), several),
        st.tuples(st.just("or"), several),
    )


def written(tree: Any) -> str:
    if tree[0] == "term":
        return f"(name {tree[2]} {tree[1]})"
    if tree[0] == "not":
        return f"(NOT {written(tree[1])})"
    joint = {"and": " AND ", "or": " OR "}[tree[0]]
    return f"({joint.join(written(item) for item in tree[1])})"


def held(tree: Any, name: str) -> bool:
    if tree[0] == "term":
        return bool((tree[1] == name) == (tree[2] == "="))
    if tree[0] == "not":
        return not held(tree[1], name)
    found = [held(item, name) for item in tree[1]]
    return all(found) if tree[0] == "and" else any(found)


@given(trees(), NAMES)
def test_an_expression_holds_as_its_parts_do(tree: Any, name: str) -> None:
    for precedence in (AIP_160, GCLOUD):
        node = expressions.parse(written(tree), precedence)
        found = expressions.matches(
            node, lambda term: (term.values[0] == name) == (term.operator == "=")
        )
        assert found == held(tree, name)
    assert predicate(written(tree), KNOWN)({"name": name}) == held(tree, name)


def shown(node: Node) -> str:
    if isinstance(node, expressions.Term):
        return f"{node.key}{node.operator}{'|'.join(node.values)}"
    if isinstance(node, expressions.Not):
        return f"!{shown(node.item)}"
    joint = "&" if isinstance(node, expressions.All) else "|"
    return f"({joint.join(shown(item) for item in node.items)})"


PRECEDENCES = [
    ("a:1 AND b:2 OR c:3", "(a:1&(b:2|c:3))", "((a:1&b:2)|c:3)"),
    ("a:1 OR b:2 AND c:3", "((a:1|b:2)&c:3)", "(a:1|(b:2&c:3))"),
    ("a:1 b:2 OR c:3", "(a:1&(b:2|c:3))", "(a:1&(b:2|c:3))"),
    ("a:1 b:2 AND c:3", "((a:1&b:2)&c:3)", "(a:1&(b:2&c:3))"),
    ("NOT a:1 OR -b:2", "(!a:1|!b:2)", "(!a:1|!b:2)"),
    ("a:(1 2,'3 4') b=x:y", "(a:1|2|3 4&b=x:y)", "(a:1|2|3 4&b=x:y)"),
    ("a~'^x(y)$' b!~z", "(a~^x(y)$&b!~z)", "(a~^x(y)$&b!~z)"),
    ('labels."a-b":*', "labels.a-b:*", "labels.a-b:*"),
    (r'a="say \"x\""', 'a=say "x"', 'a=say "x"'),
]


@pytest.mark.parametrize(("text", "aip_160", "gcloud"), PRECEDENCES)
def test_what_joins_tighter(text: str, aip_160: str, gcloud: str) -> None:
    assert shown(expressions.parse(text, AIP_160)) == aip_160
    assert shown(expressions.parse(text, GCLOUD)) == gcloud


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        node = expressions.parse(text, GCLOUD)
    except ExpressionError:
        return
    assert expressions.terms(node)


def test_filters_over_the_wire(google: Google, http: Http) -> None:
    made.base(http)
    for name, priority in (("a", 5), ("b", 50), ("c", 500)):
        made.make(http, "firewalls", name=name, priority=priority, targetTags=[f"t-{name}"])

    def names(text: str) -> list[str]:
        found = google.firewalls.list({"project": "test-project", "filter": text})
        return [rule.name for rule in found]

    assert names("priority > 5") == ["b", "c"]
    assert names("name eq [ab]") == ["a", "b"]
    assert names("targetTags = t-c OR name = a") == ["a", "c"]
    link = "https://www.googleapis.com/compute/v1/projects/test-project/global/networks/net"
    assert names(f'network = "{link}"') == ["a", "b", "c"]
    made.make(http, "instances", labels={"team": "net"})
    made.make(http, "instances", name="other")
    pages = google.instances.aggregated_list({"project": "test-project", "filter": "labels.team:*"})
    found = {scope: [vm.name for vm in scoped.instances] for scope, scoped in pages}
    assert found.pop(f"zones/{ZONE}") == ["vm"]
    assert not any(found.values())


MASKS = [
    ("name", {"name": "web-1"}),
    ("name,priority", {"name": "web-1", "priority": 1000}),
    ("allowed/IPProtocol", {"allowed": [{"IPProtocol": "tcp"}, {"IPProtocol": "icmp"}]}),
    ("allowed(IPProtocol)", {"allowed": [{"IPProtocol": "tcp"}, {"IPProtocol": "icmp"}]}),
    ("labels/*", {"labels": RULE["labels"]}),
    ("logConfig", {"logConfig": {"enable": True}}),
    ("colour", {}),
    ("*", RULE),
    (
        "*/enable,name",
        {**{k: [{}, {}] if k == "allowed" else v for k, v in RULE.items()}, "labels": {}},
    ),
]


@pytest.mark.parametrize(("text", "expected"), MASKS)
def test_a_mask(text: str, expected: dict[str, Any]) -> None:
    assert masks.apply(RULE, masks.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "a(", "a)", "(a)", "a(b))", "/a", ","])
def test_what_is_no_mask_is_refused(text: str) -> None:
    with pytest.raises(ComputeError, match="Invalid field selection"):
        masks.parse(text)


def test_masks_over_the_wire(http: Http) -> None:
    made.base(http)
    answer = http(
        "GET", "global/routes", fields="items(name,destRange),nextPageToken", maxResults=1
    )
    assert set(answer) == {"items", "nextPageToken"}
    assert set(answer["items"][0]) == {"name", "destRange"}
    assert http("GET", "global/networks/net", fields="items/name") == {}
    assert http("GET", "global/networks/net", fields="(")["error"]["code"] == 400
