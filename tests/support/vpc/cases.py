"""Firewall rules and what they let through, as data: the table that `vpc/test_firewall.py` tries.

Two VMs are the targets, `server` (with an alias address) and `peer`. Who tries to reach them: the
VMs `friend` (also from its alias address) and `stranger`, a pod, that pod's node, and the client
on the internet. Each case names its rules, what they open, and one change with what that opens:
what the change opens or closes shows that the rules did it.

Sources: vpc/docs/firewalls ("Firewall rule components", "Implied rules", "Priority and overlapping
rules"), vpc/docs/add-remove-network-tags ("Targets and IP addresses": a target is for alias ranges
too, a source tag means primary addresses alone).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.matrix import Matrix
from tests.support.outcomes import Outcome

# At the server: HTTP, a line of TCP, a datagram, a TCP port where nobody listens (it refuses those
# who are let through), an echo, HTTP at its alias address; at the peer: HTTP.
TARGETS = ("http", "line", "datagram", "closed", "ping", "alias", "peer")
# What each source tries: a source that is an alias address is curl's to choose, and what is not
# public is nothing to the client.
_ALL = " ".join(TARGETS)
TRIED: Mapping[str, str] = {
    "friend": _ALL,
    "friend-alias": "http alias peer",
    "stranger": _ALL,
    "pod": _ALL,
    "node": _ALL,
    "client": "http line datagram closed ping peer",
}
VMS = ("server", "peer", "friend", "stranger")
SERVERS = ("server", "peer")
TCP = "http line closed alias"


@dataclass(frozen=True)
class Rule:
    """A firewall rule. `allow` and `deny` are gcloud's words (tcp:80-90,udp); sources and
    destinations are names of ranges, tags and targets names of machines' tags; no targets are all
    instances, which no case of these has, as others work beside it."""

    name: str
    allow: str = ""
    deny: str = ""
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("server",)
    priority: int = 1000
    egress: bool = False
    disabled: bool = False


@dataclass(frozen=True)
class Case:
    """Rules, and what they open: targets (words) by source. `changed` are the rules after the
    change (by default there are none any more), `then` what these open. `bare`: without the rule
    beneath all others that denies everything to the targets."""

    id: str
    rules: tuple[Rule, ...]
    opens: Mapping[str, str]
    changed: tuple[Rule, ...] = ()
    then: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    # Sources that say nothing of this case (bare ones: what the lab's own rules do with them).
    left_out: str = ""


# Beneath every case: the lab's own rules (65534) let much of what is inside in.
BASE = Rule("base", deny="all", targets=SERVERS, priority=60000)
# For rules of egress: everything comes in.
IN = Rule("in", allow="all", targets=SERVERS, priority=50000)


def everyone(words: str, *, but: str = "") -> dict[str, str]:
    """Those of the targets that each source tries, for all sources but some."""
    wanted = words.split()
    return {
        source: " ".join(word for word in tried.split() if word in wanted)
        for source, tried in TRIED.items()
        if source not in but.split()
    }


def some(sources: str, words: str = _ALL) -> dict[str, str]:
    """Those of the targets that each of these sources tries."""
    return {source: everyone(words)[source] for source in sources.split()}


SERVER = f"{TCP} datagram ping"
ANY = Rule("r", allow="all")

CASES: tuple[Case, ...] = (
    # What a rule is for: protocols and ports.
    Case("all-protocols", (ANY,), everyone(SERVER)),
    Case("tcp", (Rule("r", allow="tcp"),), everyone(TCP)),
    Case("udp", (Rule("r", allow="udp"),), everyone("datagram")),
    Case("icmp", (Rule("r", allow="icmp"),), everyone("ping")),
    Case("protocol-by-number", (Rule("r", allow="17"),), everyone("datagram")),
    Case("one-port", (Rule("r", allow="tcp:8080"),), everyone("http alias")),
    Case("port-of-udp-is-not-of-tcp", (Rule("r", allow="udp:8080-9001"),), everyone("datagram")),
    Case("port-range", (Rule("r", allow="tcp:8000-9000"),), everyone("http line alias")),
    Case(
        "port-range-beside",
        (Rule("r", allow="tcp:8081-8999"),),
        {},
        (Rule("r", allow="tcp:8080-8999"),),
        everyone("http alias"),
    ),
    Case("port-where-nobody-listens", (Rule("r", allow="tcp:7777"),), everyone("closed")),
    Case(
        "several-protocols-and-ports",
        (Rule("r", allow="tcp:7777,tcp:9000,icmp"),),
        everyone("closed line ping"),
    ),
    Case(
        "rules-add-up",
        (Rule("a", allow="tcp:8080"), Rule("b", allow="udp", priority=2000)),
        everyone("http alias datagram"),
        (Rule("a", allow="tcp:8080"),),
        everyone("http alias"),
    ),
    # From where.
    Case("source-range", (Rule("r", allow="all", sources=("friend",)),), some("friend", SERVER)),
    Case(
        "source-range-of-an-alias",
        (Rule("r", allow="all", sources=("friend-alias",)),),
        some("friend-alias", SERVER),
    ),
    Case(
        "source-ranges",
        (Rule("r", allow="all", sources=("stranger", "internet")),),
        some("stranger client", SERVER),
        (Rule("r", allow="all", sources=("stranger",)),),
        some("stranger", SERVER),
    ),
    Case("source-range-of-pods", (Rule("r", allow="all", sources=("pods",)),), some("pod", SERVER)),
    Case(
        "source-range-of-nodes",
        (Rule("r", allow="all", sources=("nodes",)),),
        some("friend friend-alias stranger node", SERVER),
        (Rule("r", allow="all", sources=("nodes", "pods")),),
        some("friend friend-alias stranger node pod", SERVER),
    ),
    Case(
        "source-range-of-the-internet",
        (Rule("r", allow="all", sources=("internet",)),),
        some("client", SERVER),
    ),
    Case("source-tag", (Rule("r", allow="all", tags=("friend",)),), some("friend", SERVER)),
    Case(
        "source-tag-of-nodes-is-not-of-pods",
        (Rule("r", allow="all", tags=("nodes",)),),
        some("node", SERVER),
        (Rule("r", allow="all", tags=("nodes",), sources=("pods",)),),
        some("node pod", SERVER),
    ),
    Case(
        "source-tag-or-source-range",
        (Rule("r", allow="all", tags=("friend",), sources=("friend-alias",)),),
        some("friend friend-alias", SERVER),
    ),
    Case(
        "source-tag-of-nobody",
        (Rule("r", allow="all", tags=("nobody",)),),
        {},
        (Rule("r", allow="all", tags=("nobody", "stranger")),),
        some("stranger", SERVER),
    ),
    # For whom, and to which of its addresses.
    Case("target-tag", (Rule("r", allow="all", targets=("peer",)),), everyone("peer")),
    Case("target-tags", (Rule("r", allow="all", targets=SERVERS),), everyone(_ALL)),
    Case(
        "target-tag-of-nobody",
        (Rule("r", allow="all", targets=("nobody",)),),
        {},
        (Rule("r", allow="all", targets=("nobody", "peer")),),
        everyone("peer"),
    ),
    Case(
        "destination-range",
        (Rule("r", allow="all", destinations=("server",)),),
        everyone("http line closed datagram ping"),
    ),
    Case(
        "destination-range-of-an-alias",
        (Rule("r", allow="all", destinations=("server-alias",)),),
        everyone("alias"),
    ),
    Case(
        "destination-range-of-another",
        (Rule("r", allow="all", destinations=("peer",)),),
        {},
        (Rule("r", allow="all", destinations=("peer",), targets=("peer",)),),
        everyone("peer"),
    ),
    # Which rule decides.
    Case(
        "lower-number-denies",
        (ANY, Rule("no", deny="tcp:8080", priority=900)),
        everyone("line closed datagram ping"),
        (ANY, Rule("no", deny="tcp:8080", priority=1100)),
        everyone(SERVER),
    ),
    Case(
        "lower-number-allows",
        (Rule("r", allow="tcp:9000", priority=900), Rule("no", deny="all")),
        everyone("line"),
        (Rule("r", allow="tcp:9000", priority=1001), Rule("no", deny="all")),
        {},
    ),
    Case(
        "deny-beats-allow",
        (ANY, Rule("no", deny="udp")),
        everyone(f"{TCP} ping"),
        (ANY, Rule("no", deny="udp", priority=1001)),
        everyone(SERVER),
    ),
    Case(
        "deny-one-of-a-range",
        (
            Rule("r", allow="all", sources=("nodes",)),
            Rule("no", deny="all", sources=("stranger",), priority=999),
        ),
        some("friend friend-alias node", SERVER),
        (Rule("r", allow="all", sources=("nodes",)),),
        some("friend friend-alias stranger node", SERVER),
    ),
    Case(
        "deny-by-source-tag",
        (ANY, Rule("no", deny="all", tags=("friend",), priority=0)),
        everyone(SERVER, but="friend"),
        (ANY,),
        everyone(SERVER),
    ),
    Case(
        "first-and-last-number",
        (Rule("r", allow="icmp", priority=0), Rule("last", allow="tcp", priority=65535)),
        everyone("ping"),
        (Rule("r", allow="icmp", priority=0), Rule("last", allow="tcp", priority=59999)),
        everyone(f"ping {TCP}"),
    ),
    Case(
        "disabled",
        (Rule("r", allow="all", disabled=True),),
        {},
        (ANY,),
        everyone(SERVER),
    ),
    Case(
        "disabled-deny",
        (ANY, Rule("no", deny="all", priority=1, disabled=True)),
        everyone(SERVER),
        (ANY, Rule("no", deny="all", priority=1)),
        {},
    ),
    # Where connections begin.
    Case(
        "egress-is-allowed",
        (IN,),
        everyone(_ALL),
    ),
    Case(
        "egress-denied",
        (IN, Rule("no", deny="all", targets=("friend",), egress=True)),
        everyone(_ALL, but="friend friend-alias"),
        (IN,),
        everyone(_ALL),
    ),
    Case(
        "egress-denied-to-a-destination",
        (IN, Rule("no", deny="all", destinations=("server",), targets=("friend",), egress=True)),
        {**everyone(_ALL), "friend": "alias peer", "friend-alias": "alias peer"},
        (IN, Rule("no", deny="all", destinations=("peer",), targets=("friend",), egress=True)),
        {**everyone(_ALL), "friend": SERVER, "friend-alias": "http alias"},
    ),
    Case(
        "egress-denied-from-an-alias",
        (
            IN,
            Rule("no", deny="all", sources=("friend-alias",), targets=("friend",), egress=True),
        ),
        everyone(_ALL, but="friend-alias"),
        (IN,),
        everyone(_ALL),
    ),
    Case(
        "egress-of-a-protocol",
        (IN, Rule("no", deny="icmp,udp:9001", targets=("stranger",), egress=True)),
        {**everyone(_ALL), "stranger": f"{TCP} peer"},
        (IN, Rule("no", deny="udp:9001", targets=("stranger",), egress=True)),
        {**everyone(_ALL), "stranger": f"{TCP} ping peer"},
    ),
    Case(
        "egress-allowed-by-a-lower-number",
        (
            IN,
            Rule("yes", allow="tcp:8080", targets=("friend",), egress=True, priority=10),
            Rule("no", deny="all", targets=("friend",), egress=True, priority=20),
        ),
        {
            **everyone(_ALL),
            "friend": "http alias peer",
            "friend-alias": "http alias peer",
        },
        (
            IN,
            Rule("yes", allow="tcp:8080", targets=("friend",), egress=True, priority=20),
            Rule("no", deny="all", targets=("friend",), egress=True, priority=20),
        ),
        everyone(_ALL, but="friend friend-alias"),
    ),
    Case(
        "egress-allowed-is-not-let-in",
        (Rule("yes", allow="all", targets=("friend",), egress=True, priority=0),),
        {},
        (Rule("yes", allow="all", targets=("friend",), egress=True, priority=0), ANY),
        everyone(SERVER),
    ),
    # Answers belong to what was let in, whatever may go out; nothing else goes out then.
    Case(
        "answers-need-no-rule",
        (ANY, Rule("no", deny="all", targets=("server",), egress=True, priority=0)),
        everyone(SERVER),
    ),
    # What is there without any rule of the test's: the implied rules and the default network's.
    Case(
        "implied-deny",
        (),
        {
            **some("friend friend-alias stranger node"),
            "client": "ping",
        },
        (Rule("r", allow="tcp:8080", sources=("internet",), targets=SERVERS),),
        {
            **some("friend friend-alias stranger node"),
            "client": "http ping peer",
        },
        bare=True,
        left_out="pod",
    ),
)


def expected(opens: Mapping[str, str], *, left_out: str = "") -> Matrix:
    """The matrix of what is open: the rest is silence, as a dropped packet is told to nobody.
    Raises ValueError for what a source does not try."""
    matrix = Matrix(list(TRIED), list(TARGETS)).deny("*", "*")
    for source, tried in TRIED.items():
        not_tried = [target for target in TARGETS if target not in tried.split()]
        if source in left_out.split():
            not_tried = list(TARGETS)
        if not_tried:
            matrix.ignore(source, not_tried)
        for target in opens.get(source, "").split():
            if target not in tried.split():
                raise ValueError(f"{source} does not try {target}")
            if target == "closed":
                matrix.deny(source, target, Outcome.REFUSED)
            else:
                matrix.allow(source, target)
    return matrix


@dataclass(frozen=True)
class Names:
    """What the table's names mean: ranges as CIDRs, tags as they are."""

    ranges: Mapping[str, str]
    tags: Mapping[str, str]


def rule_body(rule: Rule, names: Names, prefix: str) -> dict[str, Any]:
    """A rule in Compute's JSON, with all that is not said left to Compute."""
    said: dict[str, Any] = {
        "name": f"{prefix}-{rule.name}",
        "direction": "EGRESS" if rule.egress else "INGRESS",
        "priority": rule.priority,
        "disabled": rule.disabled,
        "targetTags": [names.tags[name] for name in rule.targets],
        "denied" if rule.deny else "allowed": list(protocols(rule.deny or rule.allow)),
    }
    lists = {
        "sourceRanges": [names.ranges[name] for name in rule.sources],
        "destinationRanges": [names.ranges[name] for name in rule.destinations],
        "sourceTags": [names.tags[name] for name in rule.tags],
    }
    return {**said, **{key: value for key, value in lists.items() if value}}


def protocols(words: str) -> Iterable[dict[str, Any]]:
    """gcloud's words of protocols and ports in Compute's JSON; a protocol is named once."""
    found: dict[str, list[str]] = {}
    for word in words.split(","):
        protocol, _, ports = word.partition(":")
        found.setdefault(protocol, []).extend([ports] if ports else [])
    for protocol, ports_of in found.items():
        yield {"IPProtocol": protocol, **({"ports": ports_of} if ports_of else {})}
