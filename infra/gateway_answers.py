"""Where API Gateway answers in our place, it answers as the app does: problem+json with a stable code.

Chalice can't say this, and its PutRestApi overwrites what was said, so a deploy says it again afterwards.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One kind of refusal, in the words of docs/errors.md."""

    status: int
    code: str
    title: str
    detail: str

    def body(self) -> str:
        """The template of the body; API Gateway fills in the request's id."""
        problem = {
            "type": f"urn:tributary:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": "$context.requestId",
            "errors": [],
        }
        return json.dumps(problem)


_NOT_FOUND = Answer(404, "not_found", "Not found", "There is no such path, or not with this method.")
_FORBIDDEN = Answer(403, "forbidden", "This key may not do this", "The request was refused.")
_INTERNAL = Answer(500, "internal_error", "Something went wrong", "It was our fault. Send the same request again.")
_SLOW_DOWN = Answer(429, "too_many_requests", "Too many requests", "Wait a second, then send it again.")

ANSWERS: Mapping[str, Answer] = {
    "MISSING_AUTHENTICATION_TOKEN": _NOT_FOUND,
    "RESOURCE_NOT_FOUND": _NOT_FOUND,
    "THROTTLED": _SLOW_DOWN,
    "QUOTA_EXCEEDED": _SLOW_DOWN,
    "REQUEST_TOO_LARGE": Answer(413, "body_too_large", "The body is too large", "A body may have 1 MB."),
    "UNSUPPORTED_MEDIA_TYPE": Answer(415, "unsupported_media_type", "The body is not JSON", "Send JSON."),
    "INTEGRATION_TIMEOUT": Answer(
        503, "unavailable", "No answer in time", "Send it again: the same request is never done twice."
    ),
    "DEFAULT_4XX": _FORBIDDEN,
    "DEFAULT_5XX": _INTERNAL,
}


def declared(answer: Answer) -> dict[str, Any]:
    """An answer as API Gateway keeps it."""
    return {
        "statusCode": str(answer.status),
        "responseParameters": {
            "gatewayresponse.header.Content-Type": "'application/problem+json'",
            "gatewayresponse.header.X-Request-Id": "context.requestId",
            "gatewayresponse.header.Cache-Control": "'no-store'",
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.Access-Control-Expose-Headers": "'X-Request-Id'",
        },
        "responseTemplates": {"application/json": answer.body()},
    }


def settle(api_gateway: Any, api_id: str, stage_name: str) -> int:
    """Put the answers that differ and deploy the API if any did; how many did."""
    existing = {item["responseType"]: item for item in api_gateway.get_gateway_responses(restApiId=api_id)["items"]}
    changed = 0
    for kind, answer in ANSWERS.items():
        wanted = declared(answer)
        if any(existing.get(kind, {}).get(name) != value for name, value in wanted.items()):
            api_gateway.put_gateway_response(restApiId=api_id, responseType=kind, **wanted)
            changed += 1
    if changed:
        api_gateway.create_deployment(restApiId=api_id, stageName=stage_name)
    return changed
