"""The package that Lambda gets: how large it is, with byte code and without what no function reads."""

import tempfile
import zipfile
from pathlib import Path

from infra import bundle, sam
from infra.deploy import copy_app
from infra.paths import ROOT
from infra.stage import Stage
from tests.benchmarks.table import Row

MOST_MB = 6.0


def measure() -> list[Row]:
    """As a pipeline gets it, and as `chalice deploy` finds it: it takes what lies where it puts its own."""
    with tempfile.TemporaryDirectory() as scratch:
        template = sam.package(Stage("bench"), Path(scratch) / "out")
        copy = Path(scratch) / "app"
        copy_app(ROOT, copy)
        packages = {"for a pipeline": template.with_name("deployment.zip"), "for `chalice deploy`": bundle.place(copy)}
        return [Row(f"package {name}", _megabytes(package), MOST_MB, "MB") for name, package in packages.items()]


def _megabytes(package: Path) -> float:
    compiled = [name for name in zipfile.ZipFile(package).namelist() if name.endswith(".pyc")]
    assert any("chalicelib" in name for name in compiled)
    return package.stat().st_size / 1_000_000
