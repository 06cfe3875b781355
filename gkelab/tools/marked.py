"""What tests change in the network of a container: `ip -batch` in, `ip -json` out. All of it
carries a mark, so that what a killed run has left is found, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import dataclass

# The routing protocol of their routes and the group of their links: a number that the kernel, FRR
# and the lab (gkelab.tools.iproute) leave to others.
MARK = "114"
# How the labels of their IPv4 addresses end, behind the device's name: Debian 12's `ip` cannot
# give addresses a protocol.
ENDING = ":t"
LONGEST = 15  # letters of a label
LISTED = f"route show proto {MARK}\naddress show label *{ENDING}\nlink show group {MARK}\n"


@dataclass(frozen=True)
class Marked:
    """`routes` are destinations, `addresses` those with their devices ("10.0.0.5 on eth0"),
    `links` names."""

    routes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """All of it, as a sentence calls it."""
        kinds = {"route": self.routes, "address": self.addresses, "link": self.links}
        return [f"{kind} {name}" for kind, names in kinds.items() for name in names]

    def removal(self) -> str:
        """What takes it away, for `ip -batch`."""
        lines = [f"route flush proto {MARK}"] if self.routes else []
        lines += [f"address flush label *{ENDING}"] if self.addresses else []
        lines += [f"link delete {name}" for name in self.links]
        return "".join(f"{line}\n" for line in lines)


def label_words(device: str) -> list[str]:
    """The words that mark an IPv4 address of this device; none where they would be too long."""
    label = f"{device}{ENDING}"
    return ["label", label] if len(label) <= LONGEST else []


def parse_marked(text: str) -> Marked:
    """What `ip -json -batch` tells of LISTED: a list a line, or nothing for an empty one, in which
    what was passed over is an empty object."""
    items = [item for line in text.splitlines() if line.strip() for item in json.loads(line)]
    infos = [info for item in items for info in item.get("addr_info", []) if info]
    links = [item for item in items if "group" in item and "addr_info" not in item]
    return Marked(
        routes=tuple(str(item["dst"]) for item in items if "dst" in item),
        addresses=tuple(
            f"{info['local']} on {info['label'].removesuffix(ENDING)}" for info in infos
        ),
        links=tuple(str(link["ifname"]) for link in links),
    )
