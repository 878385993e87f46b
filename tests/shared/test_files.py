"""A file is written once, read as it was written, and never changed."""

import boto3
import pytest

from chalicelib.shared import files
from chalicelib.shared.settings import bucket

CSV = "text/csv; charset=utf-8"


def test_a_file_is_read_as_it_was_written() -> None:
    content = "张三\r\n".encode() + bytes(range(256))
    assert files.put_new("a/b.csv", content, CSV)
    assert files.read("a/b.csv") == content
    assert boto3.client("s3").head_object(Bucket=bucket(), Key="a/b.csv")["ContentType"] == CSV


@pytest.mark.parametrize("again", [b"one", b"another"])
def test_a_file_is_written_once(again: bytes) -> None:
    assert files.put_new("a", b"one", CSV)
    assert not files.put_new("a", again, CSV)
    assert files.read("a") == b"one"
    assert files.put_new("b", again, CSV)


def test_a_file_that_is_not_there_is_no_empty_one() -> None:
    client = boto3.client("s3")
    with pytest.raises(client.exceptions.ClientError, match="NoSuchKey"):
        files.read("nothing")


def test_another_failure_of_the_bucket_is_not_taken_for_a_file_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_BUCKET", "no-such-bucket")
    client = boto3.client("s3")
    with pytest.raises(client.exceptions.ClientError, match="NoSuchBucket"):
        files.put_new("a", b"one", CSV)


def test_a_bucket_that_does_not_answer_is_given_up_after_seconds() -> None:
    config = files._client().meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 5, 3)
    assert files._client() is files._client()
