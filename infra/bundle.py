"""A smaller package for Lambda, under the name by which `chalice deploy` looks for one it has already built.

Chalice ships all of botocore, 20 MB zipped. This keeps the services used, ships byte code, because Lambda can't
write it and compiles at every cold start without it, and has the same bytes whenever the code is the same. Of the
libraries it ships byte code only: a trace has their lines' numbers, and the lines themselves for ours.
"""

import compileall
import hashlib
import inspect
import platform
import py_compile
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import chalice
import chalice.app
from chalice.deploy.packager import BaseLambdaDeploymentPackager, DependencyBuilder, LambdaDeploymentPackager
from chalice.utils import UI, OSUtils

from infra.paths import LOCAL

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
BOTOCORE_SERVICES = {"dynamodb", "kms", "s3", "sqs"}
RUNS_LAMBDA_CODE = platform.system() == "Linux" and platform.machine() == "x86_64"
_UNUSED = {"__pycache__", "bin", "tests", "pydantic/v1", "dateutil/zoneinfo", "urllib3/contrib/emscripten"} | {
    "pydantic/mypy.py",
    "dateutil/rrule.py",
}
_NO_USE_IN_LAMBDA = {".py", ".pyi", ".pyx", ".js"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


def place(project: Path, with_libraries: bool = True) -> Path:
    """Build the package of the app in `project` where Chalice will find it; the zip's path.

    Without libraries it runs only where they are installed beside it: on a local cloud that can't run Lambda's.
    Raises Chalice's packaging errors if a requirement can't be had for Lambda.
    """
    packager = LambdaDeploymentPackager(OSUtils(), DependencyBuilder(OSUtils()), UI())
    target = Path(packager.deployment_package_filename(str(project), PYTHON))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        building = Path(scratch) / "package.zip"
        if with_libraries:
            shutil.copyfile(_libraries(project / "requirements.txt"), building)
        with zipfile.ZipFile(building, "a", zipfile.ZIP_DEFLATED) as package:
            for name, source in _app_files(project):
                _add(package, name, source.read_bytes())
                if source.suffix == ".py":
                    _add(package, _compiled_name(name), _compiled(name, source, Path(scratch)))
        shutil.move(building, target)
    return target


def _app_files(project: Path) -> Iterator[tuple[str, Path]]:
    """What Chalice packages of an app, without what Python left lying about."""
    yield "chalice/__init__.py", Path(inspect.getfile(chalice))
    yield "chalice/app.py", Path(inspect.getfile(chalice.app))
    yield "app.py", project / "app.py"
    for source in sorted((project / "chalicelib").rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            yield str(source.relative_to(project)), source
    vendor = project / "vendor"
    for source in sorted(vendor.rglob("*")):
        if source.is_file():
            yield str(source.relative_to(vendor)), source


def _libraries(requirements: Path) -> Path:
    """The zip of what requirements.txt asks for, kept in `.local` until that or this file changes."""
    asked = "\n".join([requirements.read_text(), PYTHON, Path(__file__).read_text()])
    kept = LOCAL / "libraries" / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.zip"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        site_packages = Path(scratch) / "site-packages"
        site_packages.mkdir()
        abi = BaseLambdaDeploymentPackager._RUNTIME_TO_ABI[PYTHON]
        DependencyBuilder(OSUtils()).build_site_packages(abi, str(requirements), str(site_packages))
        _prune(site_packages)
        compileall.compile_dir(
            site_packages, quiet=2, workers=2, legacy=True, stripdir=str(site_packages), invalidation_mode=_UNCHECKED
        )
        building = Path(scratch) / "libraries.zip"
        with zipfile.ZipFile(building, "w", zipfile.ZIP_DEFLATED) as package:
            for file in sorted(path for path in site_packages.rglob("*") if path.is_file()):
                if file.suffix not in _NO_USE_IN_LAMBDA:
                    _add(package, str(file.relative_to(site_packages)), file.read_bytes())
        building.rename(kept)
    return kept


def _prune(site_packages: Path) -> None:
    """Leave out what no function reads: tools, tests, the descriptions of services nobody calls."""
    services = site_packages / "botocore" / "data"
    unused = [service for service in services.glob("*/") if service.name not in BOTOCORE_SERVICES]
    unused += [site_packages / "chalice"]
    unused += [path for name in _UNUSED for path in (site_packages / name, *site_packages.rglob(f"*/{name}"))]
    for path in unused:
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    for about in site_packages.glob("*.dist-info"):
        told = (about / "METADATA").read_text().partition("\n\n")[0]  # some ask there for their own version
        shutil.rmtree(about)
        about.mkdir()
        (about / "METADATA").write_text(told + "\n")


def _compiled_name(name: str) -> str:
    folder, _, module = name.rpartition("/")
    at = f"{folder}/" if folder else ""
    return f"{at}__pycache__/{module[:-3]}.{sys.implementation.cache_tag}.pyc"


def _compiled(name: str, source: Path, scratch: Path) -> bytes:
    target = scratch / "module.pyc"
    py_compile.compile(str(source), str(target), name, doraise=True, invalidation_mode=_UNCHECKED)
    return target.read_bytes()


def _add(package: zipfile.ZipFile, name: str, content: bytes) -> None:
    """One file, with neither its time nor its owner, so that the same content gives the same zip."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    package.writestr(entry, content, compresslevel=9)
