"""Images: those of Google's public projects, which say what they are here."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from gkelab.cloud.api.kinds.images import FAMILIES
from tests.unit.cloud.servers import PROJECT, Google, Http


def test_the_newest_of_a_family(google: Google) -> None:
    image = google.images.get_from_family(project="debian-cloud", family="debian-12")
    assert image.self_link.endswith("/projects/debian-cloud/global/images/debian-12-lab")
    assert (image.family, image.status, image.disk_size_gb) == ("debian-12", "READY", 10)
    assert "the lab's own image" in image.description
    for name in (image.name, str(image.id)):
        assert google.images.get(project="debian-cloud", image=name) == image


def test_lists(google: Google) -> None:
    listed = list(google.images.list(project="ubuntu-os-cloud"))
    assert {image.family for image in listed} == set(FAMILIES["ubuntu-os-cloud"])
    chosen = {"project": "ubuntu-os-cloud", "max_results": 1, "filter": "family:2404"}
    assert [image.name for image in google.images.list(chosen)] == [
        "ubuntu-2404-lts-amd64-lab",
        "ubuntu-2404-lts-lab",
        "ubuntu-minimal-2404-lts-amd64-lab",
    ]
    # As samples leave out what is outdated.
    chosen = {"project": "debian-cloud", "filter": "deprecated.state != DEPRECATED"}
    assert len(list(google.images.list(chosen))) == len(FAMILIES["debian-cloud"])
    assert list(google.images.list(project=PROJECT)) == []


@pytest.mark.parametrize(
    ("project", "name", "missing"),
    [
        ("debian-cloud", "debian-12-v1", "debian-cloud/global/images/debian-12-v1"),
        (PROJECT, "mine", f"{PROJECT}/global/images/mine"),
        ("windows-cloud", "windows-2022-dc", "windows-cloud/global/images/windows-2022-dc"),
        ("mac-cloud", "mac-lab", "mac-cloud"),
    ],
)
def test_one_that_is_not(google: Google, project: str, name: str, missing: str) -> None:
    with pytest.raises(exceptions.NotFound, match=f"'projects/{missing}' was not found"):
        google.images.get(project=project, image=name)


@pytest.mark.parametrize(
    ("project", "family"),
    [
        ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"),
        ("ubuntu-os-cloud", "ubuntu-2404-lts"),
        ("windows-cloud", "windows-2022"),
        ("windows-sql-cloud", "sql-std-2019-win-2019"),
    ],
)
def test_a_name_alone_says_so(google: Google, project: str, family: str) -> None:
    image = google.images.get_from_family(project=project, family=family)
    assert (image.family, image.architecture) == (family, "X86_64")
    assert "whatever image is named" in image.description


def test_pages(google: Google) -> None:
    """As the sample on paging goes through a project's images."""
    request = compute_v1.ListImagesRequest(
        project="windows-sql-cloud", max_results=2, filter="deprecated.state != DEPRECATED"
    )
    pages = [[image.name for image in page.items] for page in google.images.list(request).pages]
    assert len(pages) > 2
    assert {len(page) for page in pages} == {2}
    assert len({name for page in pages for name in page}) == len(FAMILIES["windows-sql-cloud"])


def test_a_family_that_is_not(google: Google) -> None:
    with pytest.raises(exceptions.NotFound, match="images/family/debian-1' was not found"):
        google.images.get_from_family(project="debian-cloud", family="debian-1")


def test_none_is_made(google: Google, http: Http) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="does not serve POST of images"):
        google.images.insert(project=PROJECT, image_resource=compute_v1.Image(name="mine"))
    error = http("POST", "global/images/mine/deprecate", {"state": "OBSOLETE"})["error"]
    assert error["message"] == "The local cloud does not serve images.deprecate."
