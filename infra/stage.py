"""A stage: one copy of Tributary in one account and region, on AWS or on the local cloud."""

import os
import re
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from infra.paths import ROOT

APP = "tributary"
LOCAL_ACCOUNT = {
    # The local cloud finds an API by its address only in its default account, the one of this key.
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
QUICK_WAITERS = ROOT / "infra" / "quick_waiters"
"""botocore looks at a new function every five seconds; the local cloud has it ready in a twentieth."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


class StageError(ValueError):
    """A stage's name can't be part of every resource's name."""


@dataclass(frozen=True)
class Stage:
    """Which copy, and where; `endpoint` is the local cloud's, None means AWS."""

    name: str
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StageError(f"A stage is named by up to 16 of a-z and 0-9, not {self.name!r}")

    @property
    def stack(self) -> str:
        """The CloudFormation stack of everything that keeps state."""
        return f"{APP}-{self.name}-data"

    @property
    def table_prefix(self) -> str:
        """What every table's name starts with."""
        return f"{APP}-{self.name}-"

    def function(self, handler: str) -> str:
        """The deployed name of a Lambda function, as Chalice makes it."""
        return f"{APP}-{self.name}" if handler == "api_handler" else f"{APP}-{self.name}-{handler}"

    def client(self, service: str) -> Any:
        """A boto3 client for this stage. On the local cloud never with the caller's own AWS credentials."""
        make: Any = boto3.client  # typed by one overload a service, which a name in a variable never meets
        config = Config(retries={"mode": "standard", "max_attempts": 8})
        if self.endpoint is None:
            return make(service, config=config)
        return make(
            service,
            endpoint_url=self.endpoint,
            region_name=LOCAL_ACCOUNT["AWS_REGION"],
            aws_access_key_id=LOCAL_ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=LOCAL_ACCOUNT["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )

    def environment(self, api_gateway: str | None = None) -> dict[str, str]:
        """The environment of a process that works on this stage: `chalice`, or the app's own code.

        Byte code isn't written: Chalice would ship it, and names its package by what lies in the folder.
        """
        quiet = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}
        if self.endpoint is None:
            return dict(os.environ) | quiet | _region()
        outside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        local = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DATA_PATH": str(QUICK_WAITERS)}
        if api_gateway:
            local["AWS_ENDPOINT_URL_API_GATEWAY"] = api_gateway
        return outside | quiet | LOCAL_ACCOUNT | local

    def url(self, deployed_api: dict[str, str]) -> str:
        """Where the API answers, by what Chalice remembers of it."""
        if self.endpoint is None:
            return deployed_api["rest_api_url"].rstrip("/")
        return f"{self.endpoint}/_aws/execute-api/{deployed_api['rest_api_id']}/{self.name}"


def _region() -> dict[str, str]:
    """The caller's region as variables, wherever it is written: the app's own code looks only there."""
    region = boto3.session.Session().region_name
    return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}
