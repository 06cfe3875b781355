"""GKE's own kinds: applied once."""

from __future__ import annotations

from pathlib import Path

from gkelab.graph import CACHED
from gkelab.steps.install_gke_kinds import install_gke_kinds
from tests.support.recorder import Recorder
from tests.unit.steps import applied_objects, fresh, make_lab


def test_their_definitions_are_applied_once(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    applied = fresh(lab, run)
    cluster = lab.plan.clusters[0]
    assert install_gke_kinds(lab, cluster, applied) == "GCPFirewall"
    assert install_gke_kinds(lab, cluster, applied) == CACHED
    ((definition,),) = applied_objects(run)
    assert definition["metadata"]["name"] == "gcpfirewalls.networking.gke.io"
