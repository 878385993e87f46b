"""A program with a track for each entry mode, a key of each scope, and short ways to people in it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from chalicelib.access import service as access
from chalicelib.programs.document import PRESETS
from tests.support import Answer, Api
from tests.support_clock import jump

START = "2026-03-01T00:00:00Z"


def plan() -> dict[str, Any]:
    """The teacher's plan with the tracks `default` (open), `review`, `agent` (invite) and `buyer` (purchase)."""
    document: dict[str, Any] = json.loads((PRESETS / "teacher.json").read_text())
    everyone = document["tracks"].pop("everyone")
    for name, mode in (("default", "open"), ("review", "review"), ("buyer", "purchase")):
        document["tracks"][name] = everyone | {"entry": {"mode": mode}}
    return document


@dataclass
class Village:
    """The program, its keys, and what is done in it again and again."""

    api: Api
    platform: str
    program_id: str
    operator: str
    storefront: str
    auditor: str

    def publish(self) -> None:
        body = {"plan": plan(), "effective_at": START}
        assert self.api.post("/v1/program/plans", body, self.operator).status == 201

    def apply(self, user_id: str, **told: Any) -> Answer:
        return self.api.post("/v1/distributors", {"user_id": user_id, "name": user_id.title(), **told}, self.storefront)

    def join(self, user_id: str, sponsor: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
        """A distributor, below `sponsor` if given."""
        below = {"sponsor_code": sponsor["code"]} if sponsor else {}
        answer = self.apply(user_id, **below, **told)
        assert answer.status == 201, answer.text
        return dict(answer.json)

    def act(self, distributor: dict[str, Any], action: str, **headers: str) -> Answer:
        path = f"/v1/distributors/{distributor['distributor_id']}/{action}"
        return self.api.post(path, {"reason": "as agreed"}, self.operator, **headers)

    def move(self, distributor: dict[str, Any], **sponsor: Any) -> Answer:
        path = f"/v1/distributors/{distributor['distributor_id']}/sponsor"
        return self.api.post(path, {"reason": "as agreed", **sponsor}, self.operator)

    def invite(self, track: str = "agent", **told: Any) -> Answer:
        body = {"track": track, "expires_at": "2026-04-01T00:00:00Z", **told}
        return self.api.post("/v1/invitations", body, self.operator)

    def session(self, distributor: dict[str, Any]) -> str:
        path = f"/v1/distributors/{distributor['distributor_id']}/sessions"
        return str(self.api.post(path, {}, self.storefront).json["token"])

    def later(self, now: str) -> None:
        """Move the program's clock."""
        jump(self.program_id, datetime.fromisoformat(now))

    def audit(self) -> list[dict[str, Any]]:
        return list(self.api.get("/v1/audit", self.operator).json["data"])


def found(api: Api, program_id: str, platform: str | None = None) -> Village:
    """A test program of this name without a plan, and keys for it."""
    platform = platform or access.create_first_platform_key("root")
    about = {"currency": "CNY", "timezone": "Asia/Shanghai", "country": "US", "mode": "test", "now": START}
    made = api.post("/v1/programs", {"program_id": program_id, "name": "Village", **about}, platform)
    assert platform is not None and made.status == 201, made.text
    keys = [
        api.post("/v1/keys", {"actor": scope, "scope": scope, "program_id": program_id}, platform).json["secret"]
        for scope in ("operator", "storefront", "auditor")
    ]
    return Village(api, platform, program_id, *keys)


def meanwhile(monkeypatch: pytest.MonkeyPatch, service: Any, happens: Callable[[], object]) -> None:
    """Something else commits between the reading of the next write of `service` and that write.

    Said by hand, as moto's transactions don't stand threads.
    """
    real = service.transact

    def late(*parts: Any) -> None:
        monkeypatch.setattr(service, "transact", real)
        happens()
        real(*parts)

    monkeypatch.setattr(service, "transact", late)
