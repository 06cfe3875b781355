"""What of GKE the lab claims to be, claim by claim: how, how truly, and by which tests.

The README's table is made of this list (`invoke report --readme`), and so is the report that sets
each claim against its tests' last results (`invoke report`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["emulated", "approximated", "absent"]

DOCS = "https://cloud.google.com/"
_GKE = f"{DOCS}kubernetes-engine/docs/"
_LAB = "tests/e2e/lab/test_topology.py::"
_ROUTING = "tests/e2e/routing/test_pod_to_pod.py::"
_SERVICES = "tests/e2e/services/"
_CLUSTER_IP = f"{_SERVICES}test_cluster_ip.py::"
_DATAPATH = "tests/e2e/routing/test_datapath.py::"
_NODES = "tests/e2e/routing/test_nodes.py::"
_DNS = "tests/e2e/dns/"
_MESH = "tests/e2e/mesh/"
_BALANCERS = "tests/e2e/loadbalancing/test_external.py::"
_VPC = "tests/e2e/vpc/"
_API = "tests/e2e/compute_api/"
_LIFECYCLE = "tests/e2e/lifecycle/"


@dataclass(frozen=True)
class Claim:
    """A behaviour of GKE (`text`, Google's own page on it) and what stands for it here.

    `limits` is where it differs, or that it is not there yet. `tests` are pytest's node ids, or the
    beginnings of several; the claim is proven when each of them has a result and all results are
    good. Code is in backquotes.
    """

    text: str
    doc: str
    status: Status
    how: str = ""
    limits: str = ""
    tests: tuple[str, ...] = ()


def _not_yet(text: str, doc: str) -> Claim:
    """What the lab is still to become."""
    return Claim(text, doc, "absent", limits="not yet")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "VPC-native cluster: pods have addresses of their node's alias range, Services those of a "
        "range of their own",
        f"{_GKE}how-to/alias-ips",
        "emulated",
        "kind, kube-controller-manager's node IPAM",
        tests=(
            f"{_LAB}test_pods_lie_in_their_nodes_alias_range",
            f"{_LAB}test_services_lie_in_the_services_range",
        ),
    ),
    Claim(
        "Maximum pods per node decide the size of a node's range",
        f"{_GKE}how-to/flexible-pod-cidr",
        "emulated",
        "GKE's sizing table in `gkelab/ipam.py`; kubelet's `maxPods`",
        tests=(
            "tests/unit/test_ipam.py::test_node_mask_is_gkes_table",
            f"{_LAB}test_a_node_takes_max_pods_per_node",
        ),
    ),
    Claim(
        "Pod to pod without NAT or overlay",
        f"{_GKE}how-to/alias-ips",
        "emulated",
        "Cilium's native routing; the VPC router holds a route to each node's alias range",
        tests=(
            f"{_ROUTING}test_the_server_sees_the_clients_pod_address",
            f"{_ROUTING}test_packets_cross_as_the_pods_made_them",
            f"{_ROUTING}test_nobody_answers_at_an_address_that_no_pod_has",
            f"{_ROUTING}test_a_closed_port_refuses",
            "tests/e2e/routing/test_datapath.py::test_no_tunnel",
        ),
    ),
    Claim(
        "Dataplane V2: eBPF in place of kube-proxy",
        f"{_GKE}concepts/dataplane-v2",
        "emulated",
        "Cilium: kube-proxy replacement, endpoint routes, 169.254.4.6 as the nodes' pod-side "
        "address, Hubble and relay",
        tests=(
            f"{_LAB}test_no_kube_proxy",
            f"{_DATAPATH}test_programs_at_interfaces",
            f"{_DATAPATH}test_each_pod_has_a_route_of_its_own",
            f"{_NODES}test_node_to_pod",
            f"{_SERVICES}test_service_map.py::test_it_agrees_with_the_slices",
            f"{_SERVICES}test_service_map.py::test_it_follows",
            f"{_SERVICES}test_service_map.py::test_no_rule_knows_it",
        ),
    ),
    Claim(
        "Services of type ClusterIP: spread over their pods, and the cluster's own",
        f"{_GKE}concepts/service",
        "emulated",
        "Cilium's BPF maps; CoreDNS for names",
        tests=(
            f"{_CLUSTER_IP}test_every_pod_behind_it_answers",
            f"{_CLUSTER_IP}test_by_name",
            f"{_CLUSTER_IP}test_without_pods_it_does_not_answer",
            f"{_CLUSTER_IP}test_it_is_unreachable_from_outside",
            f"{_CLUSTER_IP}test_endpoints_are_the_pods",
        ),
    ),
    Claim(
        "Services of type NodePort: every node leads to all servers, under "
        "`externalTrafficPolicy: Local` to its own",
        f"{_GKE}concepts/service",
        "emulated",
        "Cilium's BPF maps, at the nodes' addresses",
        tests=(
            f"{_SERVICES}test_node_ports.py::test_from_a_vm",
            f"{_SERVICES}test_node_ports.py::test_from_another_node",
            f"{_SERVICES}test_node_ports.py::test_from_a_pod",
            f"{_SERVICES}test_node_ports.py::test_local_answers_where_a_server_is",
            f"{_SERVICES}test_node_ports.py::test_a_port_that_is_given_back",
            f"{_SERVICES}test_node_ports.py::test_health_check_port",
        ),
    ),
    Claim(
        "Headless and ExternalName Services",
        f"{_GKE}concepts/service",
        "emulated",
        "CoreDNS: names for the pods' own addresses, and for other names",
        tests=(
            f"{_SERVICES}test_kinds.py::test_headless_translates_nothing",
            f"{_SERVICES}test_kinds.py::test_external_name",
            f"{_DNS}test_records.py::test_headless",
            f"{_DNS}test_records.py::test_external_name",
        ),
    ),
    Claim(
        "Session affinity (`sessionAffinity: ClientIP`)",
        f"{_GKE}concepts/service",
        "emulated",
        "Cilium's BPF maps",
        tests=(f"{_SERVICES}test_locality.py::test_session_affinity",),
    ),
    Claim(
        "`internalTrafficPolicy: Local`: a pod gets its own node's servers, or none",
        f"{_GKE}concepts/service",
        "emulated",
        "Cilium's BPF maps",
        tests=(
            f"{_SERVICES}test_locality.py::test_internal_traffic_policy",
            f"{_SERVICES}test_locality.py::test_internal_traffic_policy_without_a_server",
        ),
    ),
    Claim(
        "`trafficDistribution`: a pod gets its own zone's servers, by the hints of EndpointSlices",
        f"{_GKE}concepts/service",
        "approximated",
        "kube-controller-manager's hints; Cilium's service topology",
        "`PreferClose` alone: to Cilium its newer name `PreferSameZone` is as if it were not set",
        (
            f"{_SERVICES}test_locality.py::test_prefer_close",
            f"{_SERVICES}test_locality.py::test_prefer_close_falls_back",
        ),
    ),
    Claim(
        "Endpoints drain: a pod that ends keeps its connections until its grace is over, and new "
        "ones are for the others, if there are any",
        f"{_GKE}concepts/pod",
        "emulated",
        "EndpointSlices' conditions, as Cilium follows them",
        tests=(
            f"{_SERVICES}test_draining.py::test_flows_live_until_the_grace_is_over",
            f"{_SERVICES}test_draining.py::test_the_last_pod_serves_while_it_drains",
        ),
    ),
    Claim(
        "The cluster's DNS: Services, their ports and pods by name, addresses back to names, and "
        "search lists",
        f"{_GKE}concepts/service-discovery",
        "approximated",
        "CoreDNS",
        "not kube-dns nor Cloud DNS, and no NodeLocal DNSCache before it",
        (
            f"{_DNS}test_records.py::test_service",
            f"{_DNS}test_records.py::test_ports",
            f"{_DNS}test_records.py::test_pod_records",
            f"{_DNS}test_records.py::test_addresses_back_to_names",
            f"{_DNS}test_records.py::test_names_come_and_go",
            f"{_DNS}test_records.py::test_tcp",
            f"{_DNS}test_search.py::test_resolv_conf",
            f"{_DNS}test_search.py::test_short_names",
            f"{_DNS}test_search.py::test_ndots",
            f"{_DNS}test_truncation.py::test_udp_is_cut_off_and_tcp_is_whole",
        ),
    ),
    Claim(
        "`hostPort`: a port of its node leads to the pod",
        f"{_GKE}how-to/autopilot-hostport",
        "emulated",
        "Cilium's BPF maps",
        "the random ports of Autopilot clusters are absent",
        (f"{_NODES}test_host_port", f"{_NODES}test_a_host_port_is_given_once"),
    ),
    Claim(
        "ip-masq-agent: only what leaves the VPC sees a node's address",
        f"{_GKE}concepts/ip-masquerade-agent",
        "emulated",
        "Cilium's, by a ConfigMap of the same name and form",
        tests=(
            "tests/e2e/routing/test_outside.py::test_the_world_sees_the_nodes_public_address",
            "tests/e2e/routing/test_outside.py::test_the_vpc_sees_the_pod",
        ),
    ),
    Claim(
        "NetworkPolicy",
        f"{_GKE}how-to/network-policy",
        "emulated",
        "Cilium",
        tests=(
            "tests/e2e/policies/test_default_deny.py::test_allow_by_label",
            "tests/e2e/policies/test_ingress.py::test_ingress",
            "tests/e2e/policies/test_egress.py::test_egress",
            "tests/e2e/policies/test_ports.py::test_ports",
            "tests/e2e/policies/test_blocks.py::test_blocks",
            "tests/e2e/policies/test_changes.py::test_order",
        ),
    ),
    Claim(
        "External passthrough load balancer, and what its traffic policies keep of the client's "
        "address",
        f"{_GKE}concepts/service-load-balancer",
        "approximated",
        "MetalLB, layer 2, from a documentation range",
        "one node announces an address",
        (
            f"{_BALANCERS}test_local_keeps_the_clients_address",
            f"{_BALANCERS}test_cluster_hides_the_client_behind_the_node_on_the_way",
            f"{_BALANCERS}test_a_deleted_service_stops_answering",
        ),
    ),
    Claim(
        "Internal passthrough load balancer (`networking.gke.io/load-balancer-type: Internal`)",
        f"{_GKE}concepts/service-load-balancer-parameters",
        "approximated",
        "MetalLB, from a pool inside the subnet, by an admission policy",
        "one node announces an address",
        (f"{_BALANCERS}test_internal_takes_its_address_from_the_subnet",),
    ),
    Claim(
        "Who may use a load balancer (`spec.loadBalancerSourceRanges`)",
        f"{_GKE}concepts/service-load-balancer-parameters",
        "emulated",
        "VPC firewall rules of the ranges, and Cilium at the node",
        tests=(
            f"{_SERVICES}test_source_ranges.py::test_outside",
            f"{_SERVICES}test_source_ranges.py::test_inside",
            f"{_VPC}test_gke_rules.py::test_source_ranges_of_a_load_balancer_are_its_rules",
        ),
    ),
    Claim(
        "Load balancers that share an address (the same `spec.loadBalancerIP`)",
        f"{_GKE}concepts/service-load-balancer-parameters",
        "approximated",
        "MetalLB's sharing, by an admission policy",
        "any address of a pool counts as reserved; not for two of policy Local with different pods",
        (
            "tests/e2e/loadbalancing/test_sharing.py::test_ports_of_one_address",
            "tests/e2e/loadbalancing/test_sharing.py::test_a_port_is_given_once",
        ),
    ),
    Claim(
        "Anthos Service Mesh: which pods get a sidecar, by their namespace's label and their own",
        f"{DOCS}service-mesh/docs/proxy-injection",
        "emulated",
        "Istio's webhooks, by `istio-injection` and `sidecar.istio.io/inject`",
        "Google's managed revisions (`istio.io/rev=asm-managed`) are absent",
        (
            f"{_MESH}test_injection.py::test_by_labels",
            f"{_MESH}test_injection.py::test_a_pod_of_the_nodes_network_has_none",
            f"{_MESH}test_identity.py::test_pods_of_a_labelled_namespace_have_sidecars",
        ),
    ),
    Claim(
        "Anthos Service Mesh: mTLS between workloads, STRICT and PERMISSIVE",
        f"{DOCS}service-mesh/docs/security/configuring-mtls",
        "emulated",
        "Istio, default profile",
        "without Google's managed parts",
        (f"{_MESH}test_identity.py::test_mutual_tls",),
    ),
    Claim(
        "Anthos Service Mesh: `AuthorizationPolicy`, by principal, namespace, method and path; a "
        "deny comes first",
        f"{DOCS}service-mesh/docs/security/authorization-policy-overview",
        "emulated",
        "Istio, default profile",
        "without Google's managed parts",
        (
            f"{_MESH}test_identity.py::test_by_principal",
            f"{_MESH}test_identity.py::test_by_namespace",
            f"{_MESH}test_identity.py::test_by_method_and_path",
            f"{_MESH}test_identity.py::test_a_deny_comes_first",
        ),
    ),
    Claim(
        "Anthos Service Mesh: ingress gateway behind a load balancer",
        f"{DOCS}service-mesh/legacy/in-cluster/operate-and-maintain/gateways",
        "emulated",
        "Istio's ingress gateway behind MetalLB",
        "without Google's managed parts",
        (
            "tests/e2e/ingress/test_gateway.py::test_routes_by_path",
            "tests/e2e/ingress/test_gateway.py::test_another_host_is_not_found",
            "tests/e2e/ingress/test_gateway.py::test_the_backend_is_told_the_clients_address",
        ),
    ),
    Claim(
        "Gateway API's kinds (`--gateway-api=standard`)",
        f"{_GKE}concepts/gateway-api",
        "emulated",
        "the standard channel's definitions; Gateways of class `istio` get a proxy and an address",
        "GKE's own classes (`gke-l7-...`) are absent",
        (
            "tests/e2e/ingress/test_gateway_api.py::test_the_kinds_are_served",
            "tests/e2e/ingress/test_gateway_api.py::test_by_host",
        ),
    ),
    Claim(
        "Node labels, `spec.providerID`",
        f"{_GKE}concepts/cluster-architecture",
        "emulated",
        "as GKE's and GCE's",
        tests=(f"{_LAB}test_nodes_have_their_fixed_address_and_gke_labels",),
    ),
    Claim(
        "Managed control plane: an address of its own, which the firewall lets to the kubelets, "
        "and a VPC that goes on without it",
        f"{_GKE}concepts/cluster-architecture",
        "approximated",
        "a kind node of the same subnet",
        "it is listed among the nodes, and takes an address of theirs",
        (
            f"{_LAB}test_nodes_have_their_fixed_address_and_gke_labels",
            f"{_VPC}test_gke_rules.py::test_the_clusters_rules_are_there",
            f"{_LIFECYCLE}test_cloud.py::test_routes_stay_while_kubernetes_is_away",
        ),
    ),
    Claim(
        "The VPC's own routing: it knows each node's alias range, and machines meet nowhere else",
        f"{DOCS}vpc/docs/routes",
        "emulated",
        "a router container with an address in every subnet, which follows the Compute API",
        tests=(
            f"{_VPC}test_routes.py::test_no_node_knows_a_direct_way",
            f"{_VPC}test_routes.py::test_pods_of_two_nodes_meet_at_the_router",
            f"{_VPC}test_routes.py::test_neighbours_do_not_meet_on_the_link",
            f"{_VPC}test_routes.py::test_the_router_has_one_route_for_each_alias_range",
            f"{_VPC}test_routes.py::test_a_route_comes_and_goes_with_its_alias_range",
        ),
    ),
    Claim(
        "Anti-spoofing: an instance sends from its own addresses alone, unless `canIpForward`",
        f"{DOCS}vpc/docs/using-routes",
        "emulated",
        "nftables in the router, by the sender's MAC address; counted by instance",
        tests=(
            f"{_VPC}test_spoofing.py::test_a_node_sends_from_its_own_addresses_alone",
            f"{_VPC}test_spoofing.py::test_can_ip_forward_lets_it_through",
            f"{_VPC}test_spoofing.py::test_a_vm_sends_from_its_own_addresses_alone",
            f"{_VPC}test_spoofing.py::test_what_is_no_instances_goes_nowhere",
        ),
    ),
    Claim(
        "Static routes: by an instance, by priority and length, for instances with a tag alone; a "
        "NAT instance",
        f"{DOCS}vpc/docs/static-routes",
        "emulated",
        "a routing table in the router for those whom the same routes are for; nodes and their "
        "pods are told where routes lead",
        "no internal load balancer and no VPN tunnel as a next hop; a node sends out of the "
        "machine what it would without the lab, so of a default route pods take what leads to the "
        "lab's internet, and of a narrower one what this host does not need itself",
        (
            f"{_VPC}test_static_routes.py::test_a_nat_instance",
            f"{_VPC}test_static_routes.py::test_the_lower_number_of_two_routes_is_taken",
            f"{_VPC}test_static_routes.py::test_pods_take_a_route_to_where_the_lab_has_nothing",
            f"{_API}test_packets.py::test_a_static_route",
        ),
    ),
    Claim(
        "VPC firewall rules: direction, priority, ranges, tags, protocols and ports, implied "
        "rules, stateful",
        f"{DOCS}firewall/docs/firewalls",
        "emulated",
        "nftables in the router, from the API's firewalls",
        "without service accounts and firewall policies",
        (
            f"{_VPC}test_firewall.py::test_rules",
            f"{_VPC}test_firewall.py::test_answers_go_out_where_nothing_else_does",
            f"{_VPC}test_firewall.py::test_what_is_established_outlives_its_rule",
            f"{_VPC}test_pod_and_node_rules.py::test_to_one_range_and_not_the_other",
            f"{_VPC}test_pod_and_node_rules.py::test_from_one_range_and_not_the_other",
        ),
    ),
    Claim(
        "Firewall Rules Logging",
        f"{DOCS}firewall/docs/firewall-rules-logging",
        "emulated",
        "a JSON line a decision, in Google's fields: `invoke logs.firewall`",
        tests=(
            f"{_VPC}test_firewall_log.py::test_what_is_let_in_is_logged",
            f"{_VPC}test_firewall_log.py::test_what_is_denied_is_logged",
            f"{_VPC}test_firewall_log.py::test_what_is_not_logged_is_not",
            f"{_VPC}test_firewall_log.py::test_a_way_out_is_logged_as_whose_it_is",
            f"{_VPC}test_firewall_log.py::test_the_internet_is_no_instance",
        ),
    ),
    Claim(
        "Firewall rules that GKE makes by itself, for clusters and for load balancers",
        f"{_GKE}concepts/firewall-rules",
        "emulated",
        "written through the Compute API by `up` and by the lab's controllers",
        tests=(
            f"{_VPC}test_gke_rules.py::test_the_clusters_rules_are_there",
            f"{_VPC}test_gke_rules.py::test_a_load_balancers_rule",
            f"{_VPC}test_gke_rules.py::test_source_ranges_of_a_load_balancer_are_its_rules",
        ),
    ),
    Claim(
        "`GCPFirewall` (`networking.gke.io/v1`)",
        f"{_GKE}how-to/firewall-rules",
        "emulated",
        "the lab's controllers: firewall rules by the Compute API, and the object's status",
        tests=(
            f"{_VPC}test_gke_rules.py::test_gcpfirewall",
            f"{_VPC}test_gke_rules.py::test_a_gcpfirewall_that_cannot_be",
        ),
    ),
    Claim(
        "VMs of the VPC: alias ranges that move, public addresses one to one",
        f"{DOCS}vpc/docs/alias-ip",
        "emulated",
        "plain containers, made from the Compute API's instances",
        "containers of the host's kernel; one interface each",
        (
            f"{_VPC}test_vms.py::test_a_vm_reaches_pods",
            f"{_VPC}test_vms.py::test_pods_reach_a_vm_with_their_own_address",
            f"{_VPC}test_vms.py::test_a_cluster_ip_is_nothing_to_a_vm",
            f"{_VPC}test_vms.py::test_an_alias_address_moves",
            f"{_VPC}test_vms.py::test_two_of_one_name_are_of_two_zones",
            f"{_VPC}test_vms.py::test_a_public_address_is_seen_outside",
            f"{_VPC}test_vms.py::test_the_client_reaches_a_public_address_if_a_rule_lets_it",
        ),
    ),
    Claim(
        "Internal DNS: instances by their zonal names, for pods and machines of the VPC",
        f"{DOCS}compute/docs/internal-dns",
        "approximated",
        "dnsmasq at each subnet's gateway, which CoreDNS forwards to",
        "not at 169.254.169.254; one resolver for all networks; other names are those of the "
        "lab's containers, as its internet is its own",
        (
            "tests/e2e/dns/test_records.py::test_instances",
            "tests/e2e/dns/test_records.py::test_the_world",
            f"{_VPC}test_names.py::test_a_vm_is_found_by_its_name_while_it_is_there",
            f"{_VPC}test_names.py::test_the_internet_is_told_nothing",
        ),
    ),
    Claim(
        "A global VPC: subnets in several regions, and the time between them",
        f"{DOCS}vpc/docs/vpc",
        "emulated",
        "one router for all regions; netem, or netfilter queues where the kernel has none",
        "a kernel that has neither makes no time between regions; `invoke status` says so",
        (
            f"{_VPC}test_two_regions.py::test_the_way_between_regions_takes_its_time",
            f"{_VPC}test_two_regions.py::test_pods_reach_vms_across_regions",
        ),
    ),
    Claim(
        "Subnets and VPC networks come and go while machines run; networks do not know each other",
        f"{DOCS}vpc/docs/create-modify-vpc-networks",
        "approximated",
        "a docker network a subnet, which the router joins; nodes and the host are told its ranges",
        "a range is real if it is private (RFC 1918, RFC 6598) and neither the host nor another "
        "network has it; a subnet expanded under its VMs is real in its old size until they are "
        "deleted; of an auto mode network, subnets with an instance",
        (
            f"{_VPC}test_subnets.py::test_vms_of_two_subnets_meet_where_a_rule_lets_them",
            f"{_VPC}test_subnets.py::test_pods_reach_its_vm_with_their_own_addresses",
            f"{_VPC}test_subnets.py::test_its_vm_reaches_pods_with_its_own_address",
            f"{_VPC}test_subnets.py::test_its_vm_sends_from_its_own_address_alone",
            f"{_VPC}test_subnets.py::test_another_network_is_apart",
            f"{_VPC}test_subnets.py::test_what_the_host_uses_is_told_and_left_to_it",
            f"{_VPC}test_subnets.py::test_an_expanded_subnet_is_real_as_a_whole_once_nobody_is_in_it",
            f"{_VPC}test_subnets.py::test_a_deleted_subnet_is_gone",
        ),
    ),
    Claim(
        "A node pool resized: nodes come and go, and their parts of the pods' range with them",
        f"{_GKE}how-to/node-pools",
        "emulated",
        "`invoke node.add` and `invoke node.delete`: a kind node joined by kubeadm, an instance",
        "one node at a time",
        (
            f"{_LIFECYCLE}test_added.py::test_it_is_of_the_vpc",
            f"{_LIFECYCLE}test_added.py::test_pods_on_it_are_reached_and_reach",
            f"{_LIFECYCLE}test_added.py::test_deleted_it_is_gone",
        ),
    ),
    Claim(
        "The Compute API",
        f"{DOCS}compute/docs/reference/rest/v1",
        "approximated",
        "a local server of networks, subnetworks, routes, firewalls, instances, addresses and "
        "operations, with catalogues of machine types and images, for Google's own client library",
        "no other kinds; operations are done when they are answered; what cannot be made real is "
        "kept, and `invoke status` says why",
        (
            f"{_API}test_verbs.py::test_a_life",
            f"{_API}test_lists.py::test_filters",
            f"{_API}test_lists.py::test_pages",
            f"{_API}test_operations.py::test_an_operation_tells_of_a_write",
            f"{_API}test_refusals.py::test_what_cannot_be",
            f"{_API}test_writers.py::test_the_second_of_two_is_refused",
            f"{_API}test_packets.py::test_firewalls",
        ),
    ),
    _not_yet("Container-native load balancing (NEG)", f"{_GKE}how-to/standalone-neg"),
    _not_yet("GKE Ingress", f"{_GKE}concepts/ingress"),
    _not_yet("GKE Gateway", f"{_GKE}concepts/gateway-api"),
    _not_yet("Multi-cluster Services", f"{_GKE}concepts/multi-cluster-services"),
    _not_yet("`FQDNNetworkPolicy`", f"{_GKE}how-to/fqdn-network-policies"),
    _not_yet("Network policy logging (`NetworkLogging`)", f"{_GKE}how-to/network-policy-logging"),
    _not_yet("Cloud Router", f"{DOCS}network-connectivity/docs/router/concepts/overview"),
    _not_yet("Traffic Director", f"{DOCS}traffic-director/docs/features"),
    Claim("Cloud NAT", f"{DOCS}nat/docs/overview", "absent"),
)


def table(claims: Iterable[Claim] = CLAIMS) -> str:
    """The claims as the README's table, in Markdown."""
    lines = ["| GKE | here | how true |", "|---|---|---|"]
    for claim in claims:
        true = f"{claim.status}: {claim.limits}" if claim.limits else claim.status
        cells = (f"[{_cell(claim.text)}]({claim.doc})", _cell(claim.how), _cell(true))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
