"""What gcloud shows: the columns of its lists, its printers and its transforms."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gkelab.cloud.gcloud.keys import parse_key
from gkelab.cloud.gcloud.printers import parse_format, show
from tests.unit.cloud.gclouds import NET, SUBNET, VM, Gcloud, good

HEADS = {
    "networks subnets": "NAME REGION NETWORK RANGE STACK_TYPE IPV6_ACCESS_TYPE"
    " INTERNAL_IPV6_PREFIX EXTERNAL_IPV6_PREFIX",
    "regions": "NAME CPUS DISKS_GB ADDRESSES RESERVED_ADDRESSES STATUS TURNDOWN_DATE",
    "zones": "NAME REGION STATUS NEXT_MAINTENANCE TURNDOWN_DATE",
    "machine-types": "NAME ZONE CPUS MEMORY_GB DEPRECATED",
    "operations": "NAME TYPE TARGET HTTP_STATUS STATUS TIMESTAMP",
}


# Of all zones there are thousands, which Google's library takes half a minute to read.
FEWER = {"machine-types": "--zones=us-central1-a"}


@pytest.mark.parametrize("group", HEADS)
def test_columns(gcloud: Gcloud, group: str) -> None:
    good(gcloud, NET, SUBNET)
    few = FEWER.get(group, "")
    head = good(gcloud, f"compute {group} list --limit=1 {few}".rstrip()).splitlines()[0]
    assert head.split() == HEADS[group].split()


def test_what_is_missing_leaves_its_column_empty(gcloud: Gcloud) -> None:
    assert good(gcloud, "compute regions list --filter=name=us-east4") == (
        "NAME      CPUS  DISKS_GB  ADDRESSES  RESERVED_ADDRESSES  STATUS  TURNDOWN_DATE\n"
        "us-east4                                                 UP\n"
    )


RESOURCE = {
    "name": "a",
    "size": 2048,
    "when": "2026-01-02T03:04:05.678-08:00",
    "seconds": 86400,
    "empty": "",
    "list": ["x", "y", "z"],
    "pairs": [{"key": "k", "value": "v", "n": 1}, {"key": "l", "value": "w"}],
    "status": "UP",
    "deprecated": {"state": "OBSOLETE"},
    "quotas": [{"metric": "CPUS", "usage": 1.0, "limit": 24.0}, {"metric": "GB", "usage": 0.5}],
    "windows": [{"beginTime": "b", "endTime": "c"}, {"beginTime": "a", "endTime": "d"}],
}
MADE = {
    "size.size()": "2 KiB",
    "size.size(units_in=MiB,units_out=GiB,precision=2)": "2.00",
    "size.size(units_in=1.5)": "3 KiB",
    "size.size(min=4096)": "< 4 KiB",
    "seconds.size(units_in=P)": "86400 PiB",
    "nothing.size()": "0",
    "nothing.size(zero=none)": "none",
    "when.date()": "2026-01-02T03:04:05",
    "when.date('%Y-%m-%d')": "2026-01-02",
    'when.date(format="%d.%m., %H:%M",tz=UTC)': "02.01., 11:04",
    "seconds.date(format=%Y)": "1970",
    "name.date(undefined=never)": "never",
    'format("{0} ({1}), {2}",name,list.list(),nothing)': "a (x,y,z), ",
    "list.format('{2}{0}')": "zx",
    "name.format('<{0}>')": "<a>",
    "pairs.map().format('{0}={1}',key,value)": ["k=v", "l=w"],
    "list.slice(1:)": ["y", "z"],
    "list.slice(-1)": ["z"],
    "list.slice(: :-1)": ["z", "y", "x"],
    "list.slice(7:)": "",
    "extract(name,nothing,status)": ["a", "UP"],
    "pairs.map().extract(n,key)": [[1, "k"], ["l"]],
    "firstof(nothing,empty,name)": "a",
    "pairs.key.l.value": "w",
    "quotas.metric.CPUS.quota()": "1/24",
    "quotas.metric.GB.quota()": "",
    "quotas.metric.NONE.quota()": "",
    "status()": "UP (OBSOLETE)",
    "windows.next_maintenance()": "a--d",
    "nothing.next_maintenance()": "",
    "list.join()": "x/y/z",
    "list.count()": {"x": 1, "y": 1, "z": 1},
    "nothing.yesno()": "No",
    "deprecated.list(show=values)": "OBSOLETE",
}


@pytest.mark.parametrize("key", MADE)
def test_transforms(key: str) -> None:
    assert parse_key(key).of(RESOURCE) == MADE[key]


PEOPLE: list[dict[str, Any]] = [
    {"name": "a", "n": {"x": [1, {"y": " z"}], "e": []}},
    {"name": "bb", "gone": None},
]
DRAWN = {
    "flattened": '---\nn.e:      []\nn.x[0]:   1\nn.x[1].y: " z"\nname:     a\n---\nname: bb',
    "text[no-pad,separator=' ']": '---\nn.e []\nn.x[0] 1\nn.x[1].y " z"\nname a\n---\nname bb',
    "flattened(name:label=WHO)": "---\nwho: a\n---\nwho: bb",
    "table[box](name,n.x.len():label=COUNT)": (
        "┌──────┬───────┐\n│ NAME │ COUNT │\n├──────┼───────┤\n"
        "│ a    │ 2     │\n│ bb   │ 0     │\n└──────┴───────┘"
    ),
    "table[all-box,no-heading,title=Us](name:align=right)": (
        "┌────┐\n│ Us │\n├────┤\n│  a │\n├────┤\n│ bb │\n└────┘"
    ),
    "table[title='All of them'](name,nothing:optional)": "  All of them\nNAME\na\nbb",
    "table(list.list(separator='\n'):label=L,name)": "L  NAME\n   a\n   bb",
}


@pytest.mark.parametrize("said", DRAWN)
def test_printers(said: str) -> None:
    assert show(PEOPLE, parse_format(said)) == f"{DRAWN[said]}\n"


def test_a_cell_of_several_lines() -> None:
    said = parse_format("table[box](l.list(separator='\n'):label=L,n)")
    assert show([{"l": ["a", "b"], "n": 1}], said) == (
        "┌───┬───┐\n│ L │ N │\n├───┼───┤\n│ a │ 1 │\n│ b │   │\n└───┴───┘\n"
    )


def test_default_is_yaml_and_one_resource_is_no_list(gcloud: Gcloud) -> None:
    good(gcloud, NET, SUBNET, VM)
    words = "compute instances describe vm --format"
    assert yaml.safe_load(good(gcloud, f"{words}=default"))["name"] == "vm"
    text = good(gcloud, f"{words}=text")
    assert not text.startswith("---")
    assert "networkInterfaces[0].networkIP:" in text


WRONG = {
    "table(name.size(units=K))": "size(): got an unexpected keyword argument 'units'",
    "table(name.map(x).upper())": "map() takes a number",
    "table(autoCreateSubnetworks.upper().yesno().len(),mtu.len())": "len() cannot be done",
    "table(name.slice(a))": "slice() cannot be done",
    "table(name.format('{1}'))": "format() cannot be done",
    "table(when.date(tz=Nowhere/Else))": "date() cannot be done",
    "table(format('{0}',name.shout()))": "unknown transform function shout()",
    "table(name.list()": "a parenthesis of 'name.list(' is not closed",
    "json[box]": "unknown attribute box of json",
    "table[pad=3](name)": "unknown attribute pad=3 of table",
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_no_format_is_refused_by_name(gcloud: Gcloud, said: str) -> None:
    good(gcloud, NET)
    answer = gcloud(f'compute networks list --format="{said}"')
    assert (answer.code, answer.out) == (2, "")
    assert WRONG[said] in answer.err
