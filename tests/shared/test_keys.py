"""What is encrypted opens as what it was encrypted as, under the same key, unchanged, and not otherwise."""

import subprocess
import sys

import boto3
import pytest

from chalicelib.shared import keys
from chalicelib.shared.keys import Unreadable
from tests.house.source import ROOT

OF = {"program": "shop-1", "method": "pmt_1"}


@pytest.mark.parametrize("secret", [b"x", "张三".encode(), bytes(range(256)), b"y" * 4_096])
def test_a_secret_comes_back(secret: bytes) -> None:
    sealed = keys.encrypt(secret, OF)
    assert secret not in sealed or len(secret) == 1
    assert keys.decrypt(sealed, OF) == secret


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert keys.encrypt(b"secret", OF) != keys.encrypt(b"secret", OF)


@pytest.mark.parametrize(
    "of",
    [{}, {"program": "shop-1"}, OF | {"more": "x"}, OF | {"method": "pmt_2"}, {"program": "pmt_1", "method": "shop-1"}],
)
def test_as_anything_elses_it_does_not_open(of: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        keys.decrypt(keys.encrypt(b"secret", OF), of)


def test_what_was_changed_does_not_open() -> None:
    sealed = keys.encrypt(b"secret", OF)
    with pytest.raises(Unreadable):
        keys.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), OF)


def test_a_new_secret_is_sealed_like_any_other() -> None:
    secret, sealed = keys.new_secret(OF)
    assert len(secret) == 32
    assert keys.decrypt(sealed, OF) == secret
    assert keys.new_secret(OF)[0] != secret


def test_another_failure_of_kms_is_not_taken_for_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_PAYOUT_KEY", "alias/nothing")
    client = boto3.client("kms")
    with pytest.raises(client.exceptions.ClientError):
        keys.encrypt(b"secret", OF)


def test_a_key_service_that_does_not_answer_is_given_up_after_seconds() -> None:
    config = keys._client().meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 2, 3)
    assert keys._client() is keys._client()


@pytest.mark.parametrize("module", ["keys", "files"])
def test_who_keeps_no_secrets_and_no_files_loads_nothing(module: str) -> None:
    program = f"import chalicelib.shared.{module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore"} & set(ran.stdout.split())
