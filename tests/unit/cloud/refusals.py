"""Inserts that are refused: by collection, what is changed of a good one (as made.body takes it),
the reason, and what the sentence says."""

from typing import Any

Body = dict[str, Any]

REFUSED: dict[str, list[tuple[Body, str, str]]] = {
    "networks": [
        ({"name": "Net"}, "invalid", "field 'resource.name': 'Net'. Must be a match of regex"),
        ({"name": "a" * 64}, "invalid", "resource.name"),
        ({"name": "net-"}, "invalid", "resource.name"),
        ({"name": None}, "required", "Required field 'resource.name' not specified"),
        ({"colour": "red"}, "invalid", "Unknown name \"colour\" at 'resource'"),
        ({"autoCreateSubnetworks": None}, "invalid", "Legacy networks"),
        ({"IPv4Range": "10.0.0.0/8"}, "invalid", "Legacy networks"),
        ({"mtu": 100}, "invalid", "resource.mtu"),
        ({"routingConfig": {"routingMode": "X"}}, "invalid", "resource.routingConfig.routingMode"),
        ({"enableUlaInternalIpv6": True}, "invalid", "does not make this field real"),
    ],
    "firewalls": [
        ({"name": "old"}, "alreadyExists", "'projects/test-project/global/firewalls/old'"),
        ({"allowed": [{"IPProtocol": "tcp", "port": 1}]}, "invalid", 'Unknown name "port"'),
        ({"priority": "high"}, "invalid", "'resource.priority' (TYPE_INT32), \"high\""),
        ({"priority": True}, "invalid", "'resource.priority' (TYPE_INT32), true"),
        ({"disabled": "yes"}, "invalid", "'resource.disabled' (TYPE_BOOL)"),
        ({"sourceRanges": "10.0.0.0/8"}, "invalid", "'resource.sourceRanges' (a list)"),
        ({"network": "global/networks/gone"}, "notFound", "global/networks/gone' was not found"),
        ({"network": None}, "notFound", "global/networks/default' was not found"),
        ({"priority": 65536}, "invalid", "resource.priority"),
        ({"priority": -1}, "invalid", "resource.priority"),
        ({"direction": "SIDEWAYS"}, "invalid", "resource.direction"),
        ({"denied": [{"IPProtocol": "udp"}]}, "badRequest", "both allowed and denied"),
        ({"allowed": None}, "badRequest", "allowed or denied"),
        (
            {"direction": "EGRESS", "sourceTags": ["a"]},
            "badRequest",
            "source tag or service account for egress",
        ),
        (
            {"sourceRanges": ["10.0.0.1/8"]},
            "invalid",
            "resource.sourceRanges[0]': '10.0.0.1/8'. Must be a valid IPV4 CIDR",
        ),
        ({"sourceRanges": ["10.0.0.0/8", "2001:db8::/32"]}, "invalid", "resource.sourceRanges[1]"),
        (
            {"destinationRanges": ["x"], "direction": "EGRESS"},
            "invalid",
            "resource.destinationRanges[0]",
        ),
        ({"allowed": [{"IPProtocol": "http"}]}, "invalid", "resource.allowed[0].IPProtocol"),
        ({"allowed": [{"IPProtocol": "256"}]}, "invalid", "resource.allowed[0].IPProtocol"),
        ({"allowed": [{"ports": ["80"]}]}, "required", "resource.allowed[0].IPProtocol"),
        (
            {"allowed": [{"IPProtocol": "icmp", "ports": ["80"]}]},
            "invalid",
            "resource.allowed[0].ports",
        ),
        (
            {
                "allowed": [
                    {"IPProtocol": "tcp", "ports": ["80"]},
                    {"IPProtocol": "udp", "ports": ["1", "65536"]},
                ]
            },
            "invalid",
            "resource.allowed[1].ports[1]",
        ),
        (
            {"allowed": [{"IPProtocol": "tcp", "ports": ["90-80"]}]},
            "invalid",
            "resource.allowed[0].ports[0]",
        ),
        (
            {"allowed": [{"IPProtocol": "tcp", "ports": ["http"]}]},
            "invalid",
            "resource.allowed[0].ports[0]",
        ),
        ({"targetTags": ["Web"]}, "invalid", "resource.targetTags[0]"),
        ({"sourceTags": [f"t{i}" for i in range(31)]}, "invalid", "resource.sourceTags"),
        ({"targetServiceAccounts": ["a@b"]}, "invalid", "does not make this field real"),
        (
            {"logConfig": {"enable": True, "metadata": "SOME"}},
            "invalid",
            "resource.logConfig.metadata",
        ),
    ],
    "instances": [
        ({"labels": {"a": 1}}, "invalid", "'resource.labels' (a map of strings)"),
        ({"machineType": None}, "required", "resource.machineType"),
        ({"machineType": "e2-medium"}, "invalid", "resource.machineType"),
        ({"networkInterfaces": []}, "badRequest", "network interface"),
        (
            {"networkInterfaces": [{}]},
            "invalid",
            "'global/networks/default'. The referenced network resource cannot be found.",
        ),
        (
            {"networkInterfaces__0__subnetwork": "regions/us-central1/subnetworks/gone"},
            "invalid",
            "The referenced subnetwork resource cannot be found.",
        ),
        (
            {"networkInterfaces__0__subnetwork": "regions/europe-west1/subnetworks/eu"},
            "invalid",
            "Scope of the specified subnetwork",
        ),
        (
            {"networkInterfaces__0__network": "global/networks/other"},
            "badRequest",
            'is not valid for Network "other"',
        ),
        (
            {"networkInterfaces": [{"network": "global/networks/other"}]},
            "invalid",
            "Subnetwork should be specified for custom subnetmode network",
        ),
        (
            {"networkInterfaces__0__networkIP": "10.128.16.1"},
            "invalid",
            "resource.networkInterfaces[0].networkIP",
        ),
        (
            {"networkInterfaces__0__networkIP": "10.128.0.1"},
            "invalid",
            "resource.networkInterfaces[0].networkIP",
        ),
        (
            {"networkInterfaces__0__networkIP": "10.128.0"},
            "invalid",
            "resource.networkInterfaces[0].networkIP",
        ),
        (
            {"networkInterfaces__0__networkIP": "10.128.0.2"},
            "IP_IN_USE_BY_ANOTHER_RESOURCE",
            "IP '10.128.0.2' is already being used",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "/24", "subnetworkRangeName": "x"}
                ]
            },
            "invalid",
            "resource.networkInterfaces[0].aliasIpRanges[0].subnetworkRangeName",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "10.6.0.0/24", "subnetworkRangeName": "pods"}
                ]
            },
            "invalid",
            "within the subnetwork's range 10.4.0.0/20",
        ),
        (
            {"networkInterfaces__0__aliasIpRanges": [{"ipCidrRange": "10.4.1.0/24"}]},
            "invalid",
            "within the subnetwork's range 10.128.0.0/20",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "10.4.1.1/24", "subnetworkRangeName": "pods"}
                ]
            },
            "invalid",
            "aliasIpRanges[0].ipCidrRange",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "/8", "subnetworkRangeName": "pods"}
                ]
            },
            "invalid",
            "aliasIpRanges[0].ipCidrRange",
        ),
        (
            {"networkInterfaces__0__aliasIpRanges": [{"subnetworkRangeName": "pods"}]},
            "required",
            "aliasIpRanges[0].ipCidrRange",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "10.4.0.64/26", "subnetworkRangeName": "pods"}
                ]
            },
            "IP_IN_USE_BY_ANOTHER_RESOURCE",
            "IP '10.4.0.64/26'",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "10.4.9.0/24", "subnetworkRangeName": "pods"},
                    {"ipCidrRange": "10.4.9.0/25", "subnetworkRangeName": "pods"},
                ]
            },
            "IP_IN_USE_BY_ANOTHER_RESOURCE",
            "IP '10.4.9.0/25'",
        ),
        (
            {
                "networkInterfaces__0__aliasIpRanges": [
                    {"ipCidrRange": "/20", "subnetworkRangeName": "pods"}
                ]
            },
            "IP_SPACE_EXHAUSTED",
            "regions/us-central1/subnetworks/us",
        ),
        (
            {"networkInterfaces__0__accessConfigs": [{"natIP": "203.0.113.9"}]},
            "invalid",
            "was not found in region 'us-central1'",
        ),
        ({"tags": {"items": ["UPPER"]}}, "invalid", "resource.tags.items[0]"),
        ({"labels": {"Owner": "net"}}, "invalid", "Label key 'Owner' violates format constraints"),
        ({"labels": {"1st": "net"}}, "invalid", "Label key '1st' violates"),
        ({"labels": {"": "net"}}, "invalid", "'resource.labels': ''. Label key '' violates"),
        ({"labels": {"k" * 64: "net"}}, "invalid", "Label key"),
        ({"labels": {"owner": "a b"}}, "invalid", "Label value 'a b' violates format constraints"),
        ({"labels": {"owner": "v" * 64}}, "invalid", "Label value"),
        ({"labels": {f"k{i}": "" for i in range(65)}}, "invalid", "At most 64 labels"),
        ({"hostname": "Host"}, "invalid", "'resource.hostname': 'Host'. Must be a match of regex"),
        ({"hostname": "a..b"}, "invalid", "resource.hostname"),
        ({"hostname": "a.5-.b"}, "invalid", "resource.hostname"),
        ({"hostname": f"{'a' * 60}.example"}, "invalid", "at most 64 characters"),
        (
            {"metadata": {"items": [{"key": "a"}, {"key": "a"}]}},
            "invalid",
            "resource.metadata.items[1].key",
        ),
        ({"zone": "us-central1-b"}, "invalid", "resource.zone"),
    ],
    "subnetworks": [
        ({"network": "global/networks/gone"}, "notFound", "global/networks/gone' was not found"),
        ({"network": "net"}, "invalid", "The URL is malformed."),
        ({"network": "projects/other/global/networks/net"}, "invalid", "Cross-project references"),
        ({"network": None}, "required", "resource.network"),
        ({"ipCidrRange": None}, "required", "resource.ipCidrRange"),
        ({"ipCidrRange": "10.1.0.1/24"}, "invalid", "resource.ipCidrRange"),
        ({"ipCidrRange": "10.1.0.0"}, "invalid", "resource.ipCidrRange"),
        ({"ipCidrRange": "10.1.0.0/30"}, "invalid", "resource.ipCidrRange"),
        ({"ipCidrRange": "ten"}, "invalid", "resource.ipCidrRange"),
        ({"ipCidrRange": "127.0.0.0/24"}, "invalid", "reserved range 127.0.0.0/8"),
        (
            {"ipCidrRange": "10.128.1.0/24"},
            "invalid",
            "conflicts with existing subnetwork 'us' in region 'us-central1'",
        ),
        ({"ipCidrRange": "10.4.1.0/24"}, "invalid", "conflicts with existing subnetwork 'us'"),
        (
            {"secondaryIpRanges": [{"rangeName": "x", "ipCidrRange": "10.5.0.0/26"}]},
            "invalid",
            "resource.secondaryIpRanges[0].ipCidrRange",
        ),
        (
            {"secondaryIpRanges": [{"rangeName": "x", "ipCidrRange": "10.9.0.128/25"}]},
            "invalid",
            "overlaps 10.9.0.0/24 of the same subnetwork",
        ),
        (
            {
                "secondaryIpRanges": [
                    {"rangeName": "x", "ipCidrRange": "10.10.0.0/24"},
                    {"rangeName": "x", "ipCidrRange": "10.11.0.0/24"},
                ]
            },
            "invalid",
            "given twice",
        ),
        (
            {"secondaryIpRanges": [{"ipCidrRange": "10.10.0.0/24"}]},
            "required",
            "resource.secondaryIpRanges[0].rangeName",
        ),
        ({"purpose": "PRIVATE_SERVICE_CONNECT"}, "invalid", "resource.purpose"),
        ({"region": "europe-west1"}, "invalid", "resource.region"),
    ],
    "routes": [
        ({"network": "global/networks/gone"}, "notFound", "global/networks/gone"),
        ({"destRange": None}, "required", "resource.destRange"),
        ({"destRange": "300.0.0.0/8"}, "invalid", "resource.destRange"),
        (
            {"destRange": "10.4.1.0/24"},
            "invalid",
            "within the range 10.4.0.0/20 of subnetwork 'us'",
        ),
        ({"priority": 70000}, "invalid", "resource.priority"),
        ({"nextHopIp": None}, "badRequest", "Exactly one of"),
        (
            {"nextHopGateway": "global/gateways/default-internet-gateway"},
            "badRequest",
            "Exactly one of",
        ),
        ({"nextHopIp": "192.0.2.1"}, "invalid", "in no subnetwork"),
        (
            {"nextHopIp": None, "nextHopInstance": "zones/us-central1-a/instances/gone"},
            "notFound",
            "instances/gone",
        ),
        (
            {"nextHopIp": None, "nextHopGateway": "global/gateways/mine"},
            "invalid",
            "default internet gateway",
        ),
        ({"tags": ["Not"]}, "invalid", "resource.tags[0]"),
    ],
    "addresses": [
        ({"labels": {"A": ""}}, "invalid", "Label key 'A' violates"),
        ({"addressType": "PUBLIC"}, "invalid", "resource.addressType"),
        ({"subnetwork": None}, "required", "resource.subnetwork"),
        (
            {"subnetwork": "regions/us-central1/subnetworks/gone"},
            "invalid",
            "The referenced subnetwork",
        ),
        ({"subnetwork": "regions/europe-west1/subnetworks/eu"}, "invalid", "resource.subnetwork"),
        ({"address": "10.4.0.1"}, "invalid", "resource.address"),
        ({"address": "10.128.0.77"}, "IP_IN_USE_BY_ANOTHER_RESOURCE", "IP '10.128.0.77'"),
        ({"address": "10.128.0.240"}, "IP_IN_USE_BY_ANOTHER_RESOURCE", "IP '10.128.0.240'"),
        ({"purpose": "VPC_PEERING"}, "invalid", "resource.purpose"),
        ({"ipVersion": "IPV6"}, "invalid", "resource.ipVersion"),
        (
            {"addressType": "EXTERNAL", "subnetwork": None, "address": "8.8.8.8"},
            "invalid",
            "public ranges",
        ),
    ],
}
