"""What is read out of the kernel's and the system's own texts."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.host.facts import (
    FEATURES,
    kernel_features,
    missing_capabilities,
    module_names,
    os_id,
    read_facts,
)

# Each feature as one kernel or another has it: built in, as a module, by its other option.
CONFIG = """# Linux/x86 6.18.0 Kernel Configuration
CONFIG_VETH=m
CONFIG_OVERLAY_FS=y
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_JIT=y
CONFIG_NET_CLS_BPF=m
CONFIG_CGROUP_BPF=y
CONFIG_NF_TABLES=m
# CONFIG_IP_NF_IPTABLES is not set
CONFIG_NFT_COMPAT=m
CONFIG_NF_NAT=m
CONFIG_NETFILTER_XT_TARGET_TPROXY=m
"""
NAMES = tuple(feature.name for feature in FEATURES)


def test_a_configuration_with_all() -> None:
    assert kernel_features(CONFIG, ()) == ((), ())


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("CONFIG_VETH=m", "veth"),
        ("CONFIG_OVERLAY_FS=y", "overlayfs"),
        ("CONFIG_BPF_SYSCALL=y", "BPF programs"),
        ("CONFIG_BPF_JIT=y", "BPF JIT"),
        ("CONFIG_NET_CLS_BPF=m", "BPF on tc"),
        ("CONFIG_CGROUP_BPF=y", "BPF on cgroups"),
        ("CONFIG_NF_TABLES=m", "nf_tables"),
        ("CONFIG_NFT_COMPAT=m", "iptables"),
        ("CONFIG_NF_NAT=m", "NAT"),
        ("CONFIG_NETFILTER_XT_TARGET_TPROXY=m", "TPROXY"),
    ],
)
def test_a_configuration_without_one(line: str, name: str) -> None:
    option = line.partition("=")[0]
    assert kernel_features(CONFIG.replace(line, f"# {option} is not set"), ()) == ((name,), ())


def test_every_feature_has_a_counterfactual_above() -> None:
    assert kernel_features("# nothing is set\n", ()) == (NAMES, ())


def test_what_is_there_is_believed_before_the_configuration() -> None:
    absent, _ = kernel_features("# nothing is set\n", {"overlay", "xt_TPROXY"})
    assert set(NAMES) - set(absent) == {"overlayfs", "TPROXY"}


def test_without_a_configuration_nothing_is_absent() -> None:
    assert kernel_features("", {"veth"}) == ((), NAMES[1:])


def test_module_names() -> None:
    dep = "kernel/drivers/net/veth.ko.zst:\nkernel/net/x/nft-compat.ko: kernel/net/x_tables.ko\n"
    assert module_names(dep) == {"veth", "nft_compat"}
    assert module_names("kernel/net/netfilter/nf_nat.ko\n") == {"nf_nat"}
    assert module_names("") == set()


def test_capabilities() -> None:
    status = "Name:\tsh\nCapBnd:\t000001fffeffffff\n"
    assert missing_capabilities(status, "40\n") == ("CAP_SYS_RESOURCE",)
    assert missing_capabilities(status.replace("fe", "ff"), "40\n") == ()
    # A kernel that knows no more than 36 capabilities lacks none of the later ones.
    assert missing_capabilities("CapBnd:\t0000001fffffffff\n", "36\n") == ()
    assert missing_capabilities("CapBnd:\t0000001fffffffff\n", "37\n") == ("CAP_AUDIT_READ",)


def test_os_id() -> None:
    assert os_id('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n') == "debian"
    assert os_id('ID="rhel"\n') == "rhel"
    assert os_id("") == ""


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    facts = read_facts(tmp_path / "not" / "yet", tmp_path / "nor" / "this")
    assert facts.cores >= 1
    assert 0 < facts.memory_available <= facts.memory_total
    assert facts.disk_free > 0
    assert not (tmp_path / "not").exists()


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(LabError, match="this is Darwin"):
        read_facts()
