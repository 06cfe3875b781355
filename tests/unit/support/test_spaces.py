"""Namespaces that a manifest calls by short names."""

from __future__ import annotations

from typing import Any

from tests.support.namespace import Namespace
from tests.support.spaces import Spaces, spread


def space(name: str) -> Namespace:
    return Namespace(name, None, None, None)  # type: ignore[arg-type]


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "x"}, "spec": spec}


def test_objects_are_placed_by_the_short_name() -> None:
    spaces = Spaces({"x": space("t-x-1"), "y": space("t-y-2")})
    given = pod("a")
    (placed,) = spaces.placed([given])
    assert placed["metadata"] == {"name": "a", "namespace": "t-x-1"}
    assert given["metadata"]["namespace"] == "x"
    assert spaces.place("y/b").name == "t-y-2/b"


def test_pods_take_turns_on_the_workers() -> None:
    fixed = {"kubernetes.io/hostname": "c"}
    given = [pod("a"), {"kind": "Service", "spec": {}}, pod("b", nodeSelector=fixed), pod("d")]
    nodes = [item["spec"].get("nodeSelector") for item in spread([*given, pod("e")], ["v", "w"])]
    v, w = ({"kubernetes.io/hostname": name} for name in "vw")
    assert nodes == [v, None, fixed, w, v]
    assert spread([pod("a"), pod("b")], ["v"])[1]["spec"]["nodeSelector"] == v
