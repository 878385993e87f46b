"""The stage's bucket: files that are written once and never changed."""

from functools import cache
from typing import Any

from chalicelib.shared.settings import bucket, settings


def put_new(name: str, content: bytes, kind: str) -> bool:
    """Write a file unless one of that name is there. False: it was, whatever it holds."""
    client = _client()
    try:
        client.put_object(Bucket=bucket(), Key=name, Body=content, ContentType=kind, IfNoneMatch="*")
    except client.exceptions.ClientError as refused:
        if refused.response["Error"]["Code"] != "PreconditionFailed":
            raise
        return False
    return True


def read(name: str) -> bytes:
    """A file's bytes. S3 raises `NoSuchKey` if it isn't there: whoever asks, knows that it was written."""
    content: bytes = _client().get_object(Bucket=bucket(), Key=name)["Body"].read()
    return content


@cache
def _client() -> Any:
    """The process's one client. Here, because most requests need no file."""
    from botocore.config import Config
    from botocore.session import get_session

    limits = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    return get_session().create_client("s3", region_name=settings().region, config=limits)
