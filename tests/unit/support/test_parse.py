"""Parsers, on what tools said on a lab's worker (recorded/, cut to a few entries: iproute2,
bpftool, cilium-dbg 1.19.6), and on samples of what that one did not have, written after the tools'
sources."""

from collections.abc import Callable
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

from tests.support import parse
from tests.support.parse import Backend, ParseError

ROUTES = """[
{"dst":"default","gateway":"10.128.0.1","dev":"eth0","flags":[]},
{"dst":"10.4.0.0/26","gateway":"169.254.4.6","dev":"cilium_host","protocol":"kernel",
 "prefsrc":"169.254.4.6","metrics":[{"mtu":1400}],"flags":[]},
{"dst":"10.4.0.17","dev":"lxc12345","scope":"link","flags":["linkdown"]},
{"type":"unreachable","dst":"10.4.0.0/20","dev":"lo","metric":4096,"table":"2004","flags":[]},
{"dst":"10.5.0.0/24","protocol":"bgp","metric":20,"flags":[],"nexthops":[
 {"gateway":"10.128.0.2","dev":"eth0","weight":1,"flags":[]},
 {"gateway":"10.128.0.3","dev":"eth1","weight":1,"flags":[]}]}
]"""

ADDRESSES = """[{},
{"ifindex":4,"ifname":"eth0","flags":["BROADCAST","UP"],"mtu":1400,"qdisc":"noqueue",
 "operstate":"UP","link_type":"ether","address":"02:fc:00:00:00:01","addr_info":[
  {"family":"inet","local":"10.128.0.2","prefixlen":20,"scope":"global","label":"eth0"},
  {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
{"ifindex":5,"ifname":"lxc1","mtu":1500,"operstate":"DOWN","addr_info":[]}]"""

LINKS = """[
{"ifindex":1,"ifname":"lo","mtu":65536,"operstate":"UNKNOWN","link_type":"loopback",
 "address":"00:00:00:00:00:00"},
{"ifindex":9,"link_index":8,"ifname":"lxc12345","mtu":1500,"operstate":"UP","master":"br0",
 "address":"02:00:00:00:00:09","linkinfo":{"info_kind":"veth"},"link_netnsid":1},
{"ifindex":10,"ifname":"cilium_vxlan","mtu":1500,"operstate":"UNKNOWN",
 "address":"02:00:00:00:00:0a","linkinfo":{"info_kind":"vxlan","info_data":{"external":true}}}]"""

NEIGHBOURS = """[
{"dst":"10.128.0.3","dev":"eth0","lladdr":"02:42:0a:80:00:03","state":["REACHABLE"]},
{"dst":"fd00::1","dev":"eth0","state":["FAILED"]}]"""

ROUTE_GET = """[{"dst":"10.10.0.1","gateway":"10.9.0.2","dev":"c0","prefsrc":"10.9.0.1","flags":[],
"uid":0,"cache":[],"metrics":[{"mtu":1300}]}]"""

NET = """[{"xdp":[{"devname":"eth1","ifindex":5,"mode":"driver","id":7}],"tc":[
{"devname":"eth0","ifindex":2,"kind":"tcx/ingress","name":"cil_from_netdev","prog_id":123,
 "prog_flags":[],"link_id":9,"link_flags":[]},
{"devname":"lxc1","ifindex":9,"kind":"clsact/ingress","name":"cil_from_container-lxc1","id":124}
],"flow_dissector":[],"netfilter":[]}]"""

SERVICES = """{
 "10.96.0.10:53/UDP (0)": ["0.0.0.0:0 (3) (0) [ClusterIP, non-routable] "],
 "10.96.0.10:53/UDP (2)": ["10.4.0.9:53/UDP (3) (2)"],
 "10.96.0.10:53/UDP (1)": ["10.4.0.8:53/UDP (3) (1)"],
 "203.0.113.1:80/TCP (0)": ["0.0.0.0:0 (4) (0) [LoadBalancer, Local, two-scopes] "],
 "203.0.113.1:80/TCP (1)": ["backend 77 not found"],
 "203.0.113.1:80/TCP/i (0)": ["0.0.0.0:0 (5) (0) [LoadBalancer] (L7LB Proxy Port: 10000)"],
 "[fd00::1]:443/TCP (0)": ["[::]:0 (6) (0) [ClusterIP] "],
 "[fd00::1]:443/TCP (1)": ["[fd00::2]:8443/TCP (6) (1)"]
}"""

ENDPOINTS = """[
{"id":900,"status":{"external-identifiers":{"k8s-namespace":"x","k8s-pod-name":"web-1",
  "pod-name":"x/web-1"},"identity":{"id":4711,"labels":["k8s:app=web","k8s:a=b"]},
  "networking":{"addressing":[{"ipv4":"10.4.0.17"}],"interface-name":"lxc12345"},
  "policy":{"realized":{"policy-enabled":"ingress"}},"state":"ready"}},
{"id":5,"status":{"identity":{"id":1,"labels":["reserved:host"]},
  "networking":{"addressing":[{}]},"state":"ready"}}]"""


POD, LXC = "10.0.0.188", "lxca23d9c4f05cf"  # of the worker's pod that was recorded


def recorded(name: str) -> str:
    """What a tool said."""
    return (Path(__file__).parent / "recorded" / f"{name}.json").read_text()


# --- as recorded


def test_recorded_routes() -> None:
    """The pods' range by way of the router, unreachable under it, the pod's own at its
    interface."""
    found = parse.routes(recorded("routes"))
    pods = [route for route in found if route.destination == ip_network("10.0.0.0/20")]
    assert [(r.type, r.gateways, r.metric) for r in pods] == [
        ("unicast", ("10.128.0.1",), 0),
        ("unreachable", (), 4_000_000_000),
    ]
    (own,) = (route for route in found if route.devices == (LXC,))
    assert (own.destination, own.protocol, own.scope) == (ip_network(POD), "kernel", "link")
    assert {r.type for r in found} == {"unicast", "unreachable"}
    assert sum(r.destination == ip_network("0.0.0.0/0") for r in found) == 1


def test_recorded_addresses_and_links() -> None:
    by_name = {one.name: one for one in parse.addresses(recorded("addresses"))}
    assert ip_interface("10.128.0.3/20") in by_name["eth0"].addresses
    assert by_name["eth0"].mac == "42:01:0a:80:00:03"
    assert ip_interface("169.254.4.6/32") in by_name["cilium_host"].addresses
    links = {link.name: link for link in parse.links(recorded("links"))}
    assert {name: (link.kind, link.is_tunnel) for name, link in links.items()} == {
        "lo": ("", False),
        "cilium_host": ("veth", False),
        LXC: ("veth", False),
        "eth0": ("veth", False),
    }
    assert links["eth0"].peer > 0


def test_recorded_neighbours() -> None:
    found = {one.address: one for one in parse.neighbours(recorded("neighbours"))}
    assert (found["10.128.0.1"].device, found["10.128.0.1"].mac) == ("eth0", "02:42:0a:80:00:01")
    assert found[POD].states == ("REACHABLE",)


def test_recorded_programs() -> None:
    found = {(p.interface, p.hook): p.name for p in parse.bpf_net(recorded("bpf_net"))}
    assert found == {
        ("cilium_host", "tcx/ingress"): "cil_to_host",
        ("cilium_host", "tcx/egress"): "cil_from_host",
        (LXC, "tcx/ingress"): "cil_from_container",
        (LXC, "tcx/egress"): "cil_to_container",
        ("eth0", "tcx/ingress"): "cil_from_netdev",
        ("eth0", "tcx/egress"): "cil_to_netdev",
    }


def test_recorded_services() -> None:
    found = {
        (s.address, s.port, s.protocol, s.internal): s
        for s in parse.cilium_services(recorded("services"))
    }
    dns = found["10.0.16.10", 53, "UDP", False]
    assert (dns.type, dns.flags, dns.missing) == ("ClusterIP", ("non-routable",), 0)
    assert dns.backends == (Backend("10.0.0.26", 53, "UDP", 1), Backend("10.0.0.53", 53, "UDP", 2))
    outside = found["203.0.113.1", 80, "TCP", False]
    assert (outside.type, outside.flags) == ("LoadBalancer", ("Local", "two-scopes"))
    assert [backend.address for backend in outside.backends] == [POD]
    inside = found["203.0.113.1", 80, "TCP", True]
    assert {backend.address for backend in inside.backends} == {"10.0.0.82", POD}


def test_recorded_endpoints() -> None:
    host, pod = parse.cilium_endpoints(recorded("endpoints"))
    assert (host.pod, host.ipv4, "reserved:host" in host.labels) == ("", "", True)
    assert (pod.pod, pod.ipv4, pod.interface) == ("sample/whoami-57545bcc8b-lb6c6", POD, LXC)
    assert (pod.state, pod.policy) == ("ready", "none")
    assert "k8s:app=whoami" in pod.labels


# --- of all forms


def test_routes() -> None:
    default, own, pod, none, many = parse.routes(ROUTES)
    assert (default.destination, default.gateways) == (ip_network("0.0.0.0/0"), ("10.128.0.1",))
    assert (default.type, default.table, default.mtu, default.metric) == ("unicast", "main", 0, 0)
    assert (own.protocol, own.source, own.mtu) == ("kernel", "169.254.4.6", 1400)
    assert (pod.destination, pod.gateways, pod.devices) == (
        ip_network("10.4.0.17/32"),
        (),
        ("lxc12345",),
    )
    assert (pod.scope, pod.flags) == ("link", ("linkdown",))
    assert (none.type, none.table, none.metric) == ("unreachable", "2004", 4096)
    assert many.gateways == ("10.128.0.2", "10.128.0.3")
    assert many.devices == ("eth0", "eth1")


def test_the_route_to_one_address() -> None:
    (found,) = parse.routes(ROUTE_GET)
    assert found.destination == ip_network("10.10.0.1/32")
    assert (found.gateways, found.source, found.mtu) == (("10.9.0.2",), "10.9.0.1", 1300)


def test_ipv6_routes() -> None:
    text = '[{"dst":"default","gateway":"fe80::1","dev":"eth0"},{"dst":"fd00::1","dev":"lo"}]'
    default, own = parse.routes(text, ipv6=True)
    assert (default.destination, own.destination) == (ip_network("::/0"), ip_network("fd00::1"))
    via = '[{"dst":"10.0.0.0/8","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0"}]'
    assert parse.routes(via)[0].gateways == ("fe80::1",)


def test_addresses() -> None:
    eth0, lxc = parse.addresses(ADDRESSES)
    assert (eth0.name, eth0.index, eth0.mtu, eth0.state) == ("eth0", 4, 1400, "UP")
    assert eth0.addresses == (ip_interface("10.128.0.2/20"), ip_interface("fe80::1/64"))
    assert (lxc.addresses, lxc.mac) == ((), "")


def test_links() -> None:
    lo, lxc, vxlan = parse.links(LINKS)
    assert (lo.kind, lo.is_tunnel, lo.peer, lo.master) == ("", False, 0, "")
    assert (lxc.kind, lxc.is_tunnel, lxc.peer, lxc.master) == ("veth", False, 8, "br0")
    assert (vxlan.kind, vxlan.is_tunnel) == ("vxlan", True)


def test_neighbours() -> None:
    known, failed = parse.neighbours(NEIGHBOURS)
    assert (known.address, known.device) == ("10.128.0.3", "eth0")
    assert (known.mac, known.states) == ("02:42:0a:80:00:03", ("REACHABLE",))
    assert (failed.mac, failed.states) == ("", ("FAILED",))


def test_bpf() -> None:
    found = [(p.interface, p.hook, p.name, p.id) for p in parse.bpf_net(NET)]
    assert found == [
        ("eth1", "xdp/driver", "", 7),
        ("eth0", "tcx/ingress", "cil_from_netdev", 123),
        ("lxc1", "clsact/ingress", "cil_from_container-lxc1", 124),
    ]
    assert parse.bpf_net(NET[1:-1]) == parse.bpf_net(NET)


def test_cilium_services() -> None:
    dns, external, internal, v6 = parse.cilium_services(SERVICES)
    assert (dns.address, dns.port, dns.protocol, dns.internal) == ("10.96.0.10", 53, "UDP", False)
    assert (dns.type, dns.flags, dns.missing) == ("ClusterIP", ("non-routable",), 0)
    assert dns.backends == (Backend("10.4.0.8", 53, "UDP", 1), Backend("10.4.0.9", 53, "UDP", 2))
    assert (external.type, external.flags) == ("LoadBalancer", ("Local", "two-scopes"))
    assert (external.backends, external.missing) == ((), 1)
    assert (internal.address, internal.internal, internal.backends) == ("203.0.113.1", True, ())
    assert (v6.address, v6.backends) == ("fd00::1", (Backend("fd00::2", 8443, "TCP", 1),))


def test_cilium_endpoints() -> None:
    host, web = parse.cilium_endpoints(ENDPOINTS)
    assert (host.id, host.pod, host.ipv4, host.policy, host.labels) == (
        *(5, "", "", ""),
        ("reserved:host",),
    )
    assert (web.pod, web.ipv4, web.identity, web.state) == ("x/web-1", "10.4.0.17", 4711, "ready")
    assert (web.policy, web.interface) == ("ingress", "lxc12345")
    assert web.labels == ("k8s:a=b", "k8s:app=web")


@pytest.mark.parametrize(
    ("parser", "texts"),
    [
        (parse.routes, ["nope", "{}", '[{"dev":"eth0"}]', '[{"dst":"10.0.0.0/99"}]', "[1]"]),
        (parse.addresses, ["nope", '[{"ifname":"eth0"}]', "null"]),
        (parse.links, ["nope", '[{"ifname":"eth0"}]']),
        (parse.neighbours, ["nope", "{}", '[{"dst":"10.0.0.1"}]']),
        (parse.bpf_net, ["nope", "[{}]", '{"xdp":[],"tc":[{"devname":"a","kind":"b"}]}']),
        (
            parse.cilium_services,
            [
                "nope",
                "[]",
                '{"10.96.0.1:443 -> x": []}',
                '{"10.96.0.1:443/TCP (0)": ["something new"]}',
            ],
        ),
        (parse.cilium_endpoints, ["nope", '[{"id":1}]', '[{"id":1,"status":null}]']),
    ],
)
def test_another_form_is_an_error_that_says_so(
    parser: Callable[[str], object], texts: list[str]
) -> None:
    for text in texts:
        with pytest.raises(ParseError, match="cannot read "):
            parser(text)


@pytest.mark.parametrize("parser", [parse.routes, parse.addresses, parse.links, parse.neighbours])
def test_nothing_is_an_empty_list(parser: Callable[[str], list[object]]) -> None:
    assert parser("") == []
