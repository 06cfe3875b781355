"""What tests leave in a container's network: how it is found, told of, and taken away."""

from __future__ import annotations

from gkelab.tools.iproute import PROTOCOL
from gkelab.tools.marked import LISTED, MARK, Marked, label_words, parse_marked

# As iproute2 6.1 answered LISTED.
FOUND = """\
[{"type":"unreachable","dst":"10.0.0.5","flags":[]},\
{"dst":"10.0.0.8","gateway":"10.9.0.9","dev":"v0","flags":[],"metrics":[{"mtu":1400}]}]
[{"addr_info":[{},{"family":"inet","local":"203.0.113.63","prefixlen":32,"scope":"global",\
"label":"lo:t","valid_life_time":4294967295,"preferred_life_time":4294967295},{}]},\
{"addr_info":[{},{"family":"inet","local":"203.0.113.62","prefixlen":32,"scope":"global",\
"label":"v0:t","valid_life_time":4294967295,"preferred_life_time":4294967295},{}]},\
{"addr_info":[]}]
[{},{},{"ifindex":4,"ifname":"t-tunnel","flags":["UP"],"mtu":1450,"group":"114"}]
"""
NOTHING = """\
[ ]
[{"addr_info":[]},{"addr_info":[]}]
[{},{},{}]
"""


def test_what_is_listed() -> None:
    assert LISTED.splitlines() == [
        "route show proto 114",
        "address show label *:t",
        "link show group 114",
    ]
    assert MARK != PROTOCOL


def test_what_was_found_is_told_and_taken_away() -> None:
    found = parse_marked(FOUND)
    assert found.names() == [
        "route 10.0.0.5",
        "route 10.0.0.8",
        "address 203.0.113.63 on lo",
        "address 203.0.113.62 on v0",
        "link t-tunnel",
    ]
    assert found.removal().splitlines() == [
        "route flush proto 114",
        "address flush label *:t",
        "link delete t-tunnel",
    ]


def test_nothing_is_nothing_to_do() -> None:
    assert parse_marked(NOTHING) == parse_marked("") == Marked()
    assert (Marked().names(), Marked().removal()) == ([], "")
    assert Marked(links=("t-a",)).removal() == "link delete t-a\n"


def test_a_label_has_room_for_fifteen_letters() -> None:
    assert label_words("eth0") == ["label", "eth0:t"]
    assert label_words("cilium_host_a") == ["label", "cilium_host_a:t"]
    assert label_words("cilium_host_ab") == []
