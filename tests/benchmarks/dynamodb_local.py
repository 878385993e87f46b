"""AWS's own DynamoDB for one machine: it has transactions with conflicts, and tells what each request would cost."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from chalicelib.shared.settings import settings
from chalicelib.shared.tables import connection
from infra.local_cloud import free_port, listens
from infra.paths import LOCAL
from infra.tables import table_definitions

VERSION = "1.25.1"
PACKAGE = "amplify-dynamodb-simulator@2.9.30"
"""An npm package by AWS, 57 MB, that has DynamoDB Local in it. It is only unpacked: nothing of it is installed."""
SHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"
HOME = LOCAL / "dynamodb-local"
START_SECONDS = 60.0

_NEEDED = {
    "java": "DynamoDB Local is a Java program: install Java 17, on Debian with apt-get install openjdk-17-jre-headless",
    "npm": "DynamoDB Local comes in an npm package: install npm, on Debian with apt-get install npm; needed once",
    "tar": "DynamoDB Local comes packed: install tar; needed once",
}


class NotHere(RuntimeError):
    """DynamoDB Local can't be had or started; the message says what is missing."""


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Run it with nothing in it, for this machine only, and yield its endpoint."""
    java, home, port = tool("java"), _unpacked(), free_port()
    log = HOME / "log"
    command = [java, "-Djava.library.path=DynamoDBLocal_lib", "-cp", "DynamoDBLocal.jar"]
    command += ["org.eclipse.jetty.xml.XmlConfiguration", f"port={port}", str(Path(__file__).with_name("loopback.xml"))]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=os.environ | {"DDB_LOCAL_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


PATIENCE_SECONDS = 30.0
"""DynamoDB Local on a busy machine may take longer than AWS for a page: what is asked again would be counted again."""


@contextmanager
def serving() -> Iterator[str]:
    """Have the app talk to it and to nothing else, with the stage's tables in it. Yields its endpoint."""
    with dynamodb_local() as endpoint:
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
        client = boto3.client("dynamodb")
        for definition in table_definitions(settings().table("")):
            client.create_table(**definition)
        connection()._read_timeout_seconds = PATIENCE_SECONDS
        yield endpoint


def tool(name: str) -> str:
    """Where a program of this machine is. Raises NotHere."""
    found = shutil.which(name)
    if found is None:
        raise NotHere(f"There is no {name} here. {_NEEDED[name]}.")
    return found


def _unpacked() -> Path:
    """The folder with the jar; got once."""
    ready = HOME / PACKAGE
    if not ready.exists():
        npm, tar = tool("npm"), tool("tar")
        half = HOME / "half"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        _run(npm, "pack", PACKAGE, "--silent", "--pack-destination", str(half))
        (archive,) = half.glob("*.tgz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise NotHere(f"What npm got as {PACKAGE} is not what this benchmark was made with: {archive}")
        _run(tar, "-xzf", str(archive), "-C", str(half), "--strip-components=2", "package/emulator")
        archive.unlink()
        half.rename(ready)
    return ready


def _run(*command: str) -> None:
    ran = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotHere(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotHere(f"DynamoDB Local doesn't start; what it says is in {log}:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
