"""gcloud's words: what they do to a real cloud, what they show, what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from gkelab.cloud import place
from gkelab.cloud.api.kinds.images import FAMILIES
from gkelab.cloud.client import Cloud
from gkelab.cloud.gcloud import where
from gkelab.cloud.gcloud.main import COMMANDS
from gkelab.errors import LabError
from tests.unit.cloud.gclouds import LINK, NET, SUBNET, VM, Gcloud, described, good
from tests.unit.cloud.servers import PROJECT


def test_networks(gcloud: Gcloud) -> None:
    said = gcloud(f"{NET} --bgp-routing-mode=GLOBAL --mtu=1500 --description=mine")
    assert said.err == f"Created [{LINK}/global/networks/net].\n"
    assert said.out == (
        "NAME  SUBNET_MODE  BGP_ROUTING_MODE  IPV4_RANGE  GATEWAY_IPV4\nnet   CUSTOM       GLOBAL\n"
    )
    assert described(gcloud, "networks describe net")["mtu"] == 1500
    good(gcloud, "compute networks update net --bgp-routing-mode=regional --mtu=1460")
    found = described(gcloud, "networks describe net")
    assert (found["x_gcloud_bgp_routing_mode"], found["mtu"]) == ("REGIONAL", 1460)
    good(gcloud, "compute networks create auto")
    assert described(gcloud, "networks describe auto")["x_gcloud_subnet_mode"] == "AUTO"
    good(gcloud, "compute networks update auto --switch-to-custom-subnet-mode")
    assert described(gcloud, "networks describe auto")["x_gcloud_subnet_mode"] == "CUSTOM"
    assert (
        gcloud("compute networks delete net -q").err == f"Deleted [{LINK}/global/networks/net].\n"
    )


def test_subnets(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)
    update = "compute networks subnets update us"
    good(
        gcloud,
        f"{update} --add-secondary-ranges=more=10.6.0.0/24 --region=us-central1",
        f"{update} --remove-secondary-ranges=services",
        f"{update} --enable-private-ip-google-access",
        "compute networks subnets expand-ip-range us --prefix-length=19",
    )
    found = described(gcloud, "networks subnets describe us")
    assert [item["rangeName"] for item in found["secondaryIpRanges"]] == ["pods", "more"]
    assert (found["ipCidrRange"], found["privateIpGoogleAccess"]) == ("10.128.0.0/19", True)
    assert "does not have a range x" in gcloud(f"{update} --remove-secondary-ranges=x").err
    assert (
        "not shorter"
        in gcloud("compute networks subnets expand-ip-range us --prefix-length=24").err
    )
    assert good(gcloud, "compute networks subnets list --regions=europe-west1") == ""
    listed = good(gcloud, "compute networks subnets list --regions=us-central1 --uri")
    assert listed == f"{LINK}/regions/us-central1/subnetworks/us\n"
    good(gcloud, "compute networks subnets delete us")


def test_firewall_rules(gcloud: Gcloud) -> None:
    create = "compute firewall-rules create"
    good(
        gcloud,
        NET,
        f"{create} web --network=net --allow=tcp:80,tcp:8000-8080,udp,icmp --target-tags=web"
        " --source-ranges=10.0.0.0/8,192.0.2.0/24 --priority=500 --enable-logging",
        f"{create} out --network=net --action=DENY --rules=all --direction=EGRESS --disabled",
    )
    assert good(gcloud, "compute firewall-rules list") == (
        "NAME  NETWORK  DIRECTION  PRIORITY  ALLOW                          DENY  DISABLED\n"
        "out   net      EGRESS     1000                                     all   True\n"
        "web   net      INGRESS    500       tcp:80,tcp:8000-8080,udp,icmp        False\n"
    )
    found = described(gcloud, "firewall-rules describe web")
    assert found["logConfig"] == {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}
    update = "compute firewall-rules update"
    good(
        gcloud,
        f"{update} web --source-ranges= --source-tags=a --no-enable-logging --allow=tcp:443",
        f"{update} out --rules=tcp --no-disabled --priority=7",
    )
    found = described(gcloud, "firewall-rules describe web")
    assert ("sourceRanges" in found, found["sourceTags"]) == (False, ["a"])
    assert (found["allowed"], found["targetTags"]) == (
        [{"IPProtocol": "tcp", "ports": ["443"]}],
        ["web"],
    )
    found = described(gcloud, "firewall-rules describe out")
    assert (found["denied"], found["disabled"]) == ([{"IPProtocol": "tcp"}], False)
    for line, says in {
        f"{create} x --network=net": "Must specify --allow or --action",
        f"{create} x --network=net --action=allow": "Must specify --rules",
        f"{update} web": "At least one property",
        f"{update} out --allow=tcp": "Can not specify --allow",
    }.items():
        said = gcloud(line)
        assert (said.code, says in said.err) == (1, True)


def test_instances(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)
    made = f"{VM} --aliases=pods:/24 --labels=a=b,c=d --metadata=k=v --can-ip-forward"
    assert good(gcloud, made) == (
        "NAME  ZONE           MACHINE_TYPE   PREEMPTIBLE  INTERNAL_IP  EXTERNAL_IP  STATUS\n"
        "vm    us-central1-a  n1-standard-1               10.128.0.2                RUNNING\n"
    )
    do = "compute instances"
    good(
        gcloud,
        f"{do} add-tags vm --tags=c --zone=us-central1-a",
        f"{do} remove-tags vm --tags=a",
        f"{do} add-labels vm --labels=e=f",
        f"{do} remove-labels vm --labels=a",
        f"{do} update vm --update-labels=g=h --remove-labels=c",
        f"{do} add-metadata vm --metadata=l=w",
        f"{do} remove-metadata vm --keys=k",
        f"{do} network-interfaces update vm --aliases='pods:10.4.3.0/24;10.128.0.200'",
        f"{do} stop vm",
    )
    found = described(gcloud, "instances describe vm")
    assert found["tags"]["items"] == ["b", "c"]
    assert found["labels"] == {"e": "f", "g": "h"}
    assert found["metadata"]["items"] == [{"key": "l", "value": "w"}]
    assert (found["status"], found["canIpForward"]) == ("TERMINATED", True)
    assert found["networkInterfaces"][0]["aliasIpRanges"] == [
        {"ipCidrRange": "10.4.3.0/24", "subnetworkRangeName": "pods"},
        {"ipCidrRange": "10.128.0.200/32"},
    ]
    good(
        gcloud,
        f"{do} network-interfaces update vm --aliases= --network-interface=nic0",
        f"{do} remove-tags vm --all",
        f"{do} remove-labels vm --all",
        f"{do} start vm",
        f"{do} reset vm",
        f"{do} add-access-config vm --access-config-name=x",
    )
    found = described(gcloud, "instances describe vm")
    assert ("items" in found["tags"], "labels" in found) == (False, False)
    assert "aliasIpRanges" not in found["networkInterfaces"][0]
    address = "value(networkInterfaces[0].accessConfigs[0].natIP)"
    assert good(gcloud, f"{do} list --format='{address}'") == "203.0.113.0\n"
    good(gcloud, f"{do} delete-access-config vm --access-config-name=x")
    assert (
        "does not exist"
        in gcloud(f"{do} network-interfaces update vm --network-interface=nic9 --aliases=").err
    )
    assert "Must specify --aliases" in gcloud(f"{do} network-interfaces update vm").err
    good(gcloud, f"{do} delete vm")


def test_instances_by_interfaces_and_images(gcloud: Gcloud) -> None:
    other = "compute networks subnets create eu --network=two --region=us-central1"
    good(gcloud, NET, SUBNET, f"{NET.replace(' net ', ' two ')}", f"{other} --range=10.9.0.0/24")
    create = "compute instances create vm --zone=us-central1-a"
    good(
        gcloud,
        f"{create} --image-family=debian-12 --image-project=debian-cloud --can-ip-forward"
        " --network-interface='subnet=us,private-network-ip=10.128.0.9,aliases=pods:/24;/28'"
        " --network-interface=subnet=eu,no-address",
    )
    found = described(gcloud, "instances describe vm")
    first, second = found["networkInterfaces"]
    assert (first["networkIP"], first["accessConfigs"][0]["natIP"]) == ("10.128.0.9", "203.0.113.0")
    assert first["aliasIpRanges"] == [
        {"ipCidrRange": "10.4.0.0/24", "subnetworkRangeName": "pods"},
        {"ipCidrRange": "10.128.0.16/28"},
    ]
    assert (second["networkIP"], "accessConfigs" in second) == ("10.9.0.2", False)
    image = "projects/debian-cloud/global/images/family/debian-12"
    assert found["disks"][0]["initializeParams"] == {"sourceImage": image}
    said = gcloud(f"{create} --network-interface=subnet=us --no-address")
    assert (said.code, "--no-address cannot be used with" in said.err) == (1, True)


def test_an_alias_range_moves_from_one_vm_to_another(gcloud: Gcloud) -> None:
    update = "compute instances network-interfaces update"
    good(
        gcloud,
        NET,
        SUBNET,
        f"{VM} --aliases=pods:10.4.3.7/32",
        VM.replace(" vm ", " other "),
    )
    said = gcloud(f"{update} other --aliases=pods:10.4.3.7/32")
    assert (said.code, "10.4.3.7" in said.err) == (1, True)
    good(gcloud, f"{update} vm --aliases=", f"{update} other --aliases=pods:10.4.3.7/32")
    words = "compute instances list --format='csv[no-heading](name,networkInterfaces[0]"
    assert good(gcloud, f"{words}.aliasIpRanges[].ipCidrRange)'") == ("other,10.4.3.7/32\nvm,\n")


def test_addresses_and_routes(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)
    good(
        gcloud,
        "compute addresses create in1 in2 --subnet=us --region=us-central1"
        " --addresses=10.128.0.50,10.128.0.51 --purpose=GCE_ENDPOINT",
        "compute addresses create out --region=us-central1",
        "compute addresses create front --global",
    )
    table = "value(name,address,addressType,region.basename())"
    assert good(gcloud, f"compute addresses list --format='{table}'") == (
        "front\t198.51.100.0\tEXTERNAL\t\n"
        "in1\t10.128.0.50\tINTERNAL\tus-central1\n"
        "in2\t10.128.0.51\tINTERNAL\tus-central1\n"
        "out\t203.0.113.0\tEXTERNAL\tus-central1\n"
    )
    assert good(gcloud, "compute addresses list --global --format=value(name)") == "front\n"
    assert described(gcloud, "addresses describe front --global")["status"] == "RESERVED"
    good(gcloud, "compute addresses delete front in1")
    assert (
        "as many as names"
        in gcloud("compute addresses create a b --addresses=1.1.1.1 --global").err
    )

    good(
        gcloud,
        VM,
        "compute routes create a --network=net --destination-range=192.168.1.0/24"
        " --next-hop-instance=vm --next-hop-instance-zone=us-central1-a --tags=x",
        "compute routes create b --network=net --destination-range=192.168.2.0/24"
        " --next-hop-gateway=default-internet-gateway --priority=9",
        "compute routes create c --network=net --destination-range=192.168.3.0/24"
        " --next-hop-address=10.128.0.9",
    )
    assert good(gcloud, "compute routes list --filter='priority>0 AND name!~default'") == (
        "NAME  NETWORK  DEST_RANGE      NEXT_HOP                    PRIORITY\n"
        "a     net      192.168.1.0/24  us-central1-a/instances/vm  1000\n"
        "b     net      192.168.2.0/24  default-internet-gateway    9\n"
        "c     net      192.168.3.0/24  10.128.0.9                  1000\n"
    )
    good(gcloud, "compute routes delete a b c")
    assert (
        "--next-hop-instance-zone"
        in gcloud(
            "compute routes create a --network=net --destination-range=192.168.1.0/24"
            " --next-hop-instance=vm"
        ).err
    )


def test_operations_and_places(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)
    names = good(gcloud, "compute operations list --format=value(name) --sort-by=insertTime")
    first, second = names.split()
    assert described(gcloud, f"operations describe {second}")["region"].endswith("us-central1")
    good(gcloud, f"compute operations wait {first} --global")
    assert "insert" in good(gcloud, f"compute operations describe {first} --global")
    zones = good(gcloud, "compute zones list --filter=region:us-east1 --format=value(name)")
    assert zones.split() == ["us-east1-b", "us-east1-c", "us-east1-d"]
    assert described(gcloud, "regions describe us-central1")["status"] == "UP"
    assert described(gcloud, "zones describe us-central1-f")["name"] == "us-central1-f"
    assert described(gcloud, "project-info describe")["name"] == PROJECT


def test_machine_types(gcloud: Gcloud) -> None:
    words = "compute machine-types list --zones=us-east1-b,us-east1-c"
    assert good(gcloud, f"{words} --filter=name~^e2-m --sort-by=zone,memoryMb") == (
        "NAME       ZONE        CPUS  MEMORY_GB  DEPRECATED\n"
        "e2-micro   us-east1-b  2     1.00\n"
        "e2-medium  us-east1-b  2     4.00\n"
        "e2-micro   us-east1-c  2     1.00\n"
        "e2-medium  us-east1-c  2     4.00\n"
    )
    said = "machine-types describe custom-2-4096 --zone=us-east1-b"
    assert described(gcloud, said)["memoryMb"] == 4096
    refused = gcloud("compute machine-types describe e2-huge --zone=us-east1-b")
    assert (refused.code, "was not found" in refused.err) == (1, True)
    assert "Underspecified" in gcloud("compute machine-types describe e2-medium").err


def test_images(gcloud: Gcloud) -> None:
    words = "compute images list --filter=family~^debian-1[23]$"
    assert good(gcloud, words) == (
        "NAME           PROJECT       FAMILY     DEPRECATED  STATUS\n"
        "debian-12-lab  debian-cloud  debian-12              READY\n"
        "debian-13-lab  debian-cloud  debian-13              READY\n"
    )
    assert gcloud(f"{words} --no-standard-images").err == "Listed 0 items.\n"
    all_of_them = good(gcloud, "compute images list --format=value(family)").split()
    assert sorted(all_of_them) == sorted(name for names in FAMILIES.values() for name in names)
    project = "--project=debian-cloud"
    found = described(gcloud, f"images describe debian-12-lab {project}")
    assert described(gcloud, f"images describe-from-family debian-12 {project}") == found
    assert "was not found" in gcloud("compute images describe debian-12-lab").err


def test_where_a_resource_is(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET)
    line = "compute instances create vm --subnet=us --no-address"
    said = gcloud(line)
    assert said.code == 1
    assert "Underspecified resource [vm]. Specify the [--zone] flag." in said.err
    assert gcloud(line, zone="us-central1-a").code == 0
    assert gcloud("compute instances describe vm").code == 0
    good(gcloud, line + " --zone=us-central1-b")
    said = gcloud("compute instances describe vm")
    assert (said.code, "Underspecified" in said.err) == (1, True)
    assert "us-central1-a" in gcloud("compute instances describe vm", zone="us-central1-a").out
    good(gcloud, "compute instances delete vm --zone=us-central1-a")
    assert "us-central1-b" in gcloud("compute instances describe vm", zone="us-central1-a").out
    assert "Specify the [--region or --global] flag" in gcloud("compute addresses create x").err


FORMATS = [
    ("json(name,priority)", [{"name": "a", "priority": 1}, {"name": "b", "priority": 2}]),
    ("json(network.basename())", [{"network": "net"}, {"network": "net"}]),
]


def test_formats(gcloud: Gcloud) -> None:
    create = "compute firewall-rules create"
    good(gcloud, NET)
    good(gcloud, f"{create} a --network=net --allow=tcp:80 --priority=1 --target-tags=x,y")
    good(gcloud, f"{create} b --network=net --allow=icmp --priority=2")
    lists = "compute firewall-rules list"
    for said, expected in FORMATS:
        assert json.loads(good(gcloud, f"{lists} --format='{said}'")) == expected
    assert len(json.loads(good(gcloud, f"{lists} --format=json"))) == 2
    documents = list(yaml.safe_load_all(good(gcloud, f"{lists} --format='yaml(name,disabled)'")))
    assert documents == [{"name": "a", "disabled": False}, {"name": "b", "disabled": False}]
    shown = {
        "value(name,targetTags)": "a\tx;y\nb\t\n",
        "value(targetTags.list())": "x,y\n\n",
        "value(targetTags.join())": "x/y\n\n",
        "value(targetTags.len(),disabled.yesno(yes=Y,no=N))": "2\tN\n0\tN\n",
        "value(allowed[0].IPProtocol.upper(),allowed[].ports)": "TCP\t80\nICMP\t\n",
        "value[separator=-](name,priority)": "a-1\nb-2\n",
        "csv(name,priority:label=P)": "name,P\na,1\nb,2\n",
        "csv[no-heading](name,targetTags)": "a,x;y\nb,\n",
        "table(name:sort=1:reverse,priority:label=HOW)": "NAME  HOW\nb     2\na     1\n",
        "table[no-heading](name)": "a\nb\n",
        "table(network.segment(-2),network.scope())": (
            "NETWORK   NETWORK\nnetworks  net\nnetworks  net\n"
        ),
        "none": "",
        "get(name)": "a\nb\n",
    }
    for said, text in shown.items():
        assert good(gcloud, f'{lists} --format="{said}"') == text
    assert good(gcloud, f"{lists} --sort-by=~priority --limit=1 --format=value(name)") == "b\n"


FILTERS = {
    "name=a": "a",
    "name!=a": "b c",
    "name=A": "a",
    "name:(a c)": "a c",
    "name=(a,b)": "a b",
    "-name:a": "b c",
    "NOT name:a": "b c",
    "network:net": "a b c",
    "network=net": "a b c",
    "network~/net$": "a b c",
    "name~'^[ab]$' AND priority>1": "b",
    "name!~[ab]": "c",
    "priority>=2": "b c",
    "priority<2 OR priority>2": "a c",
    "targetTags:web*": "a",
    "targetTags=web-1": "a",
    "targetTags:*": "a",
    "allowed.ports=80": "a",
    "disabled=false": "a b c",
    "description=''": "a b c",
    "colour:*": "",
    "name=a OR name=b AND priority=2": "a b",
    "name=a priority=1 OR priority=2": "a",
    "direction:ingress": "a b c",
    "network.basename()=net": "a b c",
}


def test_filters(gcloud: Gcloud) -> None:
    create = "compute firewall-rules create"
    good(
        gcloud,
        NET,
        f"{create} a --network=net --allow=tcp:80 --priority=1 --target-tags=web-1",
        f"{create} b --network=net --allow=icmp --priority=2",
        f"{create} c --network=net --allow=icmp --priority=3",
    )
    for text, names in FILTERS.items():
        line = f"compute firewall-rules list --format=value(name) --filter={shlex.quote(text)}"
        assert (text, " ".join(good(gcloud, line).split())) == (text, names)
    assert gcloud("compute firewall-rules list --filter=name=x").err == "Listed 0 items.\n"
    assert (
        good(gcloud, "compute firewall-rules list --regexp=[ab] --format=value(name)") == "a\nb\n"
    )


WRONG = {
    "": "(gcloud) Command name argument expected",
    "storage ls": "(gcloud) Invalid choice: 'storage'",
    "compute": "(gcloud.compute) Command name argument expected",
    "compute disks list": "(gcloud.compute) Invalid choice: 'disks'",
    "compute networks lsit": ".networks) Invalid choice: 'lsit'. Maybe you meant: list",
    "compute networks list --colour=red": ".list) unrecognized arguments: --colour=red",
    "compute networks list --form=json": "unrecognized arguments: --form=json",
    "compute networks create": "the following arguments are required: NAME",
    "compute networks create a b": "unrecognized arguments: b",
    "compute networks create a --subnet-mode=legacy": "--subnet-mode: invalid choice: 'legacy'",
    "compute networks list --limit=x": "argument --limit: invalid int value: 'x'",
    "compute networks list --format=xml": "'xml' is no format",
    "compute networks list --format=table": "table needs keys",
    "compute networks list --format='table(name.shout())'": "unknown transform function shout()",
    "compute networks list --format='table(name:loud)'": "unknown attribute loud",
    "compute networks list --format='table[fancy](name)'": "unknown attribute fancy",
    "compute networks list --format='table()'": "table needs keys",
    "compute networks list --format='json(a b)'": "'a b' is no key",
    "compute networks list --filter=name": "compared with nothing",
    "compute networks list --filter='name~['": "(gcloud.compute.networks.list)",
    "compute firewall-rules create a --allow=tcp:": "received [tcp:]",
    "compute instances create a --labels=x": "Bad syntax for dict arg: [x]",
    "compute instances create a --aliases=:x": "received [:x]",
    "compute instances create a --network-interface=subnet": "received [subnet]",
    "compute instances create a --network-interface=nic-type=x": "VIRTIO_NET; received [x]",
    "compute instances create a --network-interface=vlan=7": "received [vlan=7]",
    "compute instances create a --boot-disk-size=20parsecs": "received [20parsecs]",
    "compute instances create a --maintenance-policy=perhaps": "invalid choice: 'PERHAPS'",
    "compute instances create a --local-ssd=size=375": "arguments: --local-ssd=size=375",
    "compute networks create a --async": "unrecognized arguments: --async",
    "compute networks list --flatten=name.upper()": "--flatten=name.upper(): it is no key",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_no_command_is_refused_by_name(gcloud: Gcloud, line: str) -> None:
    said = gcloud(line)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("ERROR: (gcloud")
    assert WRONG[line] in said.err


def test_refusals_of_the_cloud(gcloud: Gcloud) -> None:
    good(gcloud, NET)
    said = gcloud(NET)
    assert (said.code, said.err) == (
        1,
        "ERROR: (gcloud.compute.networks.create) Could not fetch resource:\n"
        f" - The resource 'projects/{PROJECT}/global/networks/net' already exists\n",
    )
    said = gcloud("--project=other compute networks list")
    assert "The resource 'projects/other' was not found" in said.err
    assert gcloud(f"compute --project {PROJECT} networks list").code == 0


def test_help(gcloud: Gcloud) -> None:
    everything = good(gcloud, "--help")
    for words in COMMANDS:
        assert words in everything
    assert "expand-ip-range" in good(gcloud, "compute networks subnets --help")
    assert "--allow" in good(gcloud, "compute firewall-rules create --help")


def test_which_cloud(tmp_path: Path) -> None:
    assert where.from_environment({}) is None
    endpoint = {where.ENDPOINT: "http://127.0.0.1:1234/compute/v1/"}
    with pytest.raises(LabError, match=where.PROJECT):
        where.from_environment(endpoint)
    found = where.from_environment({**endpoint, where.PROJECT: "p-12345"})
    assert found == Cloud("http://127.0.0.1:1234", "p-12345")
    with pytest.raises(LabError, match="not known here"):
        where.recorded(tmp_path / "cloud.json")
    assert found
    place.record(tmp_path / "cloud.json", place.Place(found.endpoint, found.project))
    assert where.recorded(tmp_path / "cloud.json") == found
    (tmp_path / "cloud.json").write_text("[]")
    with pytest.raises(LabError, match="invoke up"):
        where.recorded(tmp_path / "cloud.json")
