"""The first suspicious lines: what counts as one, in which order, and each of its kind once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gkelab.diagnosis.suspects import LIMIT, Suspect, suspects

LOG = "clusters/a/logs/kube-system/cilium-x.log"
DROPS = "clusters/a/cilium/worker/drops.txt"
EVENTS = "clusters/a/events.txt"
DROP = "Nov 22 01:00:0{}.000: t-x/client:4{} (ID:7) -> t-x/server:80 Policy denied DROPPED (TCP)"


def lines(folder: Path, files: Mapping[str, str]) -> list[Suspect]:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return suspects(folder)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (LOG, "[pod/x/agent] 2026-11-22T01:00:00Z panic: runtime error: index out of range"),
        (LOG, "2026-11-22T01:00:00Z fatal error: all goroutines are asleep - deadlock!"),
        (LOG, "2026-11-22T01:00:00Z [signal SIGSEGV: segmentation violation]"),
        (LOG, 'time="2026" level=error msg="Unable to restore endpoint"'),
        (LOG, 'time="2026" level=fatal msg="no"'),
        (LOG, '{"level":"error","msg":"no"}'),
        (LOG, "2026-11-22T01:00:00Z E1122 01:00:00.000 1 reflector.go:1] failed to list"),
        (LOG, "2026-11-22T01:00:00.1Z\terror\txdsproxy\tfailed to connect"),
        (LOG, "[2026-11-22 01:00:00.000][1][critical][main] error initializing"),
        ("logs/kind-a.log", 'ERROR: failed to create cluster: command "docker run" failed'),
        ("containers/node/kubelet.log", 'Nov 22 01:00:00 node kubelet[1]: E1122 01:00:00 "x"'),
        ("clusters/a/troubles.txt", "x/p a: CrashLoopBackOff back-off 5m"),
        ("clusters/a/troubles.txt", "x/p a: OOMKilled, exit code 137, restarted 3 times"),
        ("clusters/a/nodes.txt", "worker   NotReady   <none>   5m   v1.36.4"),
        ("status.txt", "✗ Deployment hubble-relay in kube-system has 0 of 1 ready"),
        ("containers/node/state.txt", "node is exited, so nothing was asked inside of it"),
        (EVENTS, "x   2m   Warning   FailedScheduling   pod/p   0/3 nodes are available"),
        (DROPS, DROP.format(1, 1)),
    ],
)
def test_suspicious(tmp_path: Path, path: str, line: str) -> None:
    (found,) = lines(tmp_path, {path: f"\n{line}\n\n"})
    assert str(found) == f"{path}: {' '.join(line.split())}"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (LOG, 'time="2026" level=info msg="no error, no panic here"'),
        (LOG, "2026-11-22T01:00:00.1Z\tinfo\tfatal is a word"),
        (EVENTS, "x   2m   Normal   Pulled   pod/p   A Warning of nothing"[:40]),
        ("clusters/a/nodes.txt", "worker   Ready   <none>   5m   v1.36.4"),
        ("status.txt", "✓ healthy"),
        ("clusters/a/cilium/worker/flows.txt", DROP.format(1, 1)),
        ("plan.json", "panic: "),
        ("summary.txt", "level=error"),
    ],
)
def test_not_suspicious(tmp_path: Path, path: str, line: str) -> None:
    assert lines(tmp_path, {path: f"{line}\n"}) == []


def test_the_most_telling_come_first(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        {
            LOG: "level=error msg=a\n x panic: b\n",
            DROPS: DROP.format(1, 1),
            EVENTS: "x 1m Warning BackOff pod/p c\n",
            "clusters/a/troubles.txt": "x/p a: OOMKilled\n",
        },
    )
    said = [suspect.line.split()[-1] for suspect in found]
    assert said == ["b", "OOMKilled", "c", "(TCP)", "msg=a"]


def test_lines_that_say_the_same_are_one_with_their_number(tmp_path: Path) -> None:
    text = "\n".join(DROP.format(second, second * 77) for second in range(9))
    (found,) = lines(tmp_path, {DROPS: text})
    assert found.count == 9
    assert str(found).endswith("DROPPED (TCP) (×9)")
    assert found.line == DROP.format(0, 0)


def test_those_that_differ_are_several_and_the_frequent_come_first(tmp_path: Path) -> None:
    events = "x 2m Warning A p/a-5d8f7c6b9-x2x4z once\n" + "x 3m Warning B p/b {}\n" * 4
    found = lines(tmp_path, {EVENTS: events})
    assert [(suspect.line.split()[3], suspect.count) for suspect in found] == [("B", 4), ("A", 1)]


def test_at_most_ten_and_no_kind_hides_the_others(tmp_path: Path) -> None:
    words = [f"{chr(97 + n)}{chr(98 + n)}" for n in range(20)]
    errors = "".join(f"level=error msg={word}\n" for word in words)
    drops = "".join(DROP.format(1, 1).replace("client", word) + "\n" for word in words)
    found = lines(tmp_path, {LOG: errors, DROPS: drops})
    assert len(found) == LIMIT
    kinds = [suspect.path for suspect in found]
    assert kinds == sorted(kinds, key=[DROPS, LOG].index)
    assert kinds.count(LOG) == 3


def test_a_long_line_is_cut_and_bytes_that_are_no_text_are_read(tmp_path: Path) -> None:
    (tmp_path / "clusters/a/logs/x").mkdir(parents=True)
    file = tmp_path / "clusters/a/logs/x/p.log"
    file.write_bytes(b"level=error \xff" + b"y" * 1000)
    (found,) = suspects(tmp_path)
    assert len(found.line) == 201
    assert found.line.endswith("y…")
