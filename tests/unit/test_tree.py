"""Which tests are in a tree, by the code alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.tree import there

CODE = """
import nothing_of_that_name

def test_a():
    def test_inside(): ...

def helper(): ...

class TestB:
    def test_c(self): ...

class Other:
    def test_d(self): ...
"""


@pytest.mark.parametrize(
    ("test", "is_there"),
    [
        ("tests/test_x.py", True),
        ("tests/test_x.py::test_a", True),
        ("tests/test_x.py::test_a[b::c/d]", True),
        ("tests/test_x.py::TestB", True),
        ("tests/test_x.py::TestB::test_c[1]", True),
        ("tests/test_x.py::test_c", False),
        ("tests/test_x.py::test_", False),
        ("tests/test_x.py::test_inside", False),
        ("tests/test_x.py::helper", False),
        ("tests/test_x.py::Other::test_d", False),
        ("tests/test_y.py::test_a", False),
        ("tests/test_broken.py::test_a", True),
    ],
)
def test_what_is_there(tmp_path: Path, test: str, is_there: bool) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(CODE)
    (tmp_path / "tests" / "test_broken.py").write_text("def test_a(:")
    assert there([test], tmp_path) == ({test} if is_there else set())


def test_none_of_none(tmp_path: Path) -> None:
    assert there([], tmp_path) == set()
