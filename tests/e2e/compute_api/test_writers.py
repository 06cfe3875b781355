"""Two who write at once: a fingerprint says which state one has seen, and the second of two who
have seen the same is refused, with nothing of its own in the way of the first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed

from tests.support.vpc.google import Body, Google, done, message, refused
from tests.support.vpc.made import VM, Made

AT_ONCE = 8


@pytest.fixture(scope="module")
def vm(made: Made) -> VM:
    """An instance to write to."""
    return made.vm("vm", tags=["first"], wait=False)


def set_tags(google: Google, made: Made, vm: VM, fingerprint: str, tags: list[str]) -> Any:
    """Write its tags, as one who has seen that fingerprint."""
    resource = message("Tags", {"items": tags, "fingerprint": fingerprint})
    where = made.where(f"zones/{vm.zone}")
    return google.instances.set_tags(**where, instance=vm.name, tags_resource=resource)


def tags_of(made: Made, vm: VM) -> Body:
    """Its tags, with their fingerprint."""
    return dict(made.instance(vm.name, vm.zone)["tags"])


def test_the_second_of_two_is_refused(google: Google, made: Made, vm: VM) -> None:
    """And taken when it has looked again."""
    seen = tags_of(made, vm)["fingerprint"]
    done(set_tags(google, made, vm, seen, ["one"]))
    said = refused(lambda: set_tags(google, made, vm, seen, ["two"]))
    assert (said.code, said.reason) == (412, "conditionNotMet")
    assert tags_of(made, vm)["items"] == ["one"]
    done(set_tags(google, made, vm, tags_of(made, vm)["fingerprint"], ["two"]))
    assert tags_of(made, vm)["items"] == ["two"]


def test_of_many_at_once_one_wins(google: Google, made: Made, vm: VM) -> None:
    """All have seen the same; what is there then is wholly one's."""
    seen = tags_of(made, vm)["fingerprint"]

    def write(number: int) -> int | None:
        own = Google(google.endpoint, google.project)  # each as a program of its own
        try:
            done(set_tags(own, made, vm, seen, [f"w{number}", f"w{number}-too"]))
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(AT_ONCE) as pool:
        won = [number for number in pool.map(write, range(AT_ONCE)) if number is not None]
    assert len(won) == 1, won
    assert tags_of(made, vm)["items"] == [f"w{won[0]}", f"w{won[0]}-too"]


def test_nobodys_write_is_lost(google: Google, made: Made, vm: VM) -> None:
    """Writers who look again when they are refused each get theirs in."""
    done(set_tags(google, made, vm, tags_of(made, vm)["fingerprint"], ["start"]))

    def add(number: int) -> None:
        own = Google(google.endpoint, google.project)
        for _ in range(10 * AT_ONCE):
            seen = tags_of(made, vm)
            try:
                tags = [*seen["items"], f"w{number}"]
                done(set_tags(own, made, vm, seen["fingerprint"], tags))
            except PreconditionFailed:
                continue
            return
        raise AssertionError(f"writer {number} never got its turn")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(add, range(AT_ONCE)))
    assert set(tags_of(made, vm)["items"]) == {"start", *(f"w{n}" for n in range(AT_ONCE))}


def test_an_interface_has_a_fingerprint_of_its_own(google: Google, made: Made, vm: VM) -> None:
    """Of two who give it alias ranges the second is refused, and the address is the first's."""
    where = {**made.where(f"zones/{vm.zone}"), "instance": vm.name}
    (nic,) = made.instance(vm.name, vm.zone)["networkInterfaces"]

    def give(aliases: list[Body]) -> Any:
        said = {"aliasIpRanges": aliases, "fingerprint": nic["fingerprint"]}
        return google.instances.update_network_interface(
            **where,
            network_interface=nic["name"],
            network_interface_resource=message("NetworkInterface", said),
        )

    done(give([{"ipCidrRange": "/32"}]))
    had = made.again(vm).aliases
    said = refused(partial(give, [{"ipCidrRange": "/31"}]))
    assert (said.code, said.reason) == (412, "conditionNotMet")
    assert made.again(vm).aliases == had
