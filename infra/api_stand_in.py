"""What the local cloud's API Gateway lacks: ImportRestApi and PutRestApi, the two calls `chalice deploy` makes.

A small proxy on loopback. It answers those two by walking the Swagger paths and making the resources, methods
and integrations one by one, only where something differs, so the API keeps its id and its address. Every other
call passes through. Used locally only, by `AWS_ENDPOINT_URL_API_GATEWAY`.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding", "date", "server"}
PAGE = 500


@contextmanager
def api_stand_in(endpoint: str) -> Iterator[str]:
    """Serve the stand-in in front of the local cloud at `endpoint`; yields the address to use for API Gateway."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(endpoint))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Upstream:
    """The local cloud's own API Gateway, over one kept connection. Not for several threads."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
        self._headers = headers

    def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Pass one request on; returns status, headers, body."""
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """One JSON call of API Gateway's; raises `RefusedError` unless it succeeds."""
        status, _, raw = self.send(method, path, json.dumps(body or {}).encode())
        if status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{method} {path} answered {status}: {raw.decode(errors='replace')}")
        parsed: Json = json.loads(raw) if raw else {}
        return parsed

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()


class RefusedError(RuntimeError):
    """The local cloud refused a step of building an API."""


def import_api(cloud: Upstream, swagger: Json, endpoint_type: str) -> Json:
    """ImportRestApi: a new API with what the Swagger says."""
    api = cloud.call(
        "POST",
        "/restapis",
        {
            "name": swagger["info"]["title"],
            "endpointConfiguration": {"types": [endpoint_type]},
            "binaryMediaTypes": swagger.get("x-amazon-apigateway-binary-media-types", []),
        },
    )
    return put_api(cloud, api["id"], swagger)


def put_api(cloud: Upstream, api_id: str, swagger: Json) -> Json:
    """PutRestApi in overwrite mode: afterwards the API has exactly the Swagger's methods."""
    _Tree(cloud, api_id).become(swagger["paths"])
    api = cloud.call("GET", f"/restapis/{api_id}")
    return {name: value for name, value in api.items() if value is not None}


@dataclass(frozen=True)
class _Method:
    """One verb of one path, as far as the local cloud keeps it."""

    integration: Json
    answers: dict[str, Json]

    @classmethod
    def wanted(cls, operation: Json) -> "_Method":
        declared = operation["x-amazon-apigateway-integration"]
        integration = {
            "type": declared["type"].upper(),
            "httpMethod": declared.get("httpMethod", "POST"),
            "uri": declared.get("uri", ""),
            "requestTemplates": declared.get("requestTemplates", {}),
        }
        answers = {
            answer["statusCode"]: {"responseParameters": answer["responseParameters"]}
            for answer in declared["responses"].values()
            if "responseParameters" in answer
        }
        return cls(integration, answers)

    @classmethod
    def existing(cls, method: Json) -> "_Method":
        stored = method.get("methodIntegration") or {}
        kept = ("type", "httpMethod", "uri", "requestTemplates")
        answers = {
            status: {"responseParameters": answer["responseParameters"]}
            for status, answer in stored.get("integrationResponses", {}).items()
        }
        return cls({name: stored.get(name) for name in kept}, answers)


class _Tree:
    """An API's resources by path, brought in line with a Swagger's paths."""

    def __init__(self, cloud: Upstream, api_id: str) -> None:
        self._cloud = cloud
        self._at = f"/restapis/{api_id}/resources"
        self._resources = {resource["path"]: resource for resource in self._load()}

    def become(self, paths: Json) -> None:
        for path, operations in paths.items():
            self._ensure(path)
            self._settle(path, {verb.upper(): _Method.wanted(body) for verb, body in operations.items()})
        for path in sorted(self._resources.keys() - _with_parents(paths), key=len, reverse=True):
            self._cloud.call("DELETE", f"{self._at}/{self._resources[path]['id']}")
        for path in self._resources.keys() & (_with_parents(paths) - paths.keys()):
            self._settle(path, {})

    def _load(self) -> Iterator[Json]:
        page = self._cloud.call("GET", f"{self._at}?limit={PAGE}&embed=methods")
        yield from page["item"]
        while position := page.get("position"):
            page = self._cloud.call("GET", f"{self._at}?limit={PAGE}&embed=methods&position={position}")
            yield from page["item"]

    def _ensure(self, path: str) -> None:
        if path in self._resources:
            return
        parent, _, part = path.rpartition("/")
        self._ensure(parent or "/")
        parent_id = self._resources[parent or "/"]["id"]
        self._resources[path] = self._cloud.call("POST", f"{self._at}/{parent_id}", {"pathPart": part})

    def _settle(self, path: str, wanted: dict[str, _Method]) -> None:
        resource = self._resources[path]
        methods = resource.get("resourceMethods") or {}
        existing = {verb: _Method.existing(method) for verb, method in methods.items()}
        for verb in existing.keys() - wanted.keys():
            self._cloud.call("DELETE", f"{self._at}/{resource['id']}/methods/{verb}")
        for verb, method in wanted.items():
            if existing.get(verb) != method:
                self._put(f"{self._at}/{resource['id']}/methods/{verb}", method)

    def _put(self, at: str, method: _Method) -> None:
        self._cloud.call("PUT", at, {"authorizationType": "NONE"})
        self._cloud.call("PUT", f"{at}/integration", method.integration)
        for status, answer in method.answers.items():
            self._cloud.call("PUT", f"{at}/responses/{status}")
            self._cloud.call("PUT", f"{at}/integration/responses/{status}", answer)


def _with_parents(paths: Json) -> set[str]:
    parts = [path.split("/") for path in paths]
    return {"/".join(path[:depth]) or "/" for path in parts for depth in range(1, len(path) + 1)} | {"/"}


def _handler(endpoint: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            cloud = Upstream(endpoint, headers)
            try:
                self._answer(*_respond(cloud, self.command, self.path, body))
            except RefusedError as refused:
                text = json.dumps({"message": str(refused)}).encode()
                self._answer(HTTPStatus.BAD_GATEWAY, {"Content-Type": "application/json"}, text)
            finally:
                cloud.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the local cloud keeps the log."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    return Handler


def _respond(cloud: Upstream, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    mode = query.get("mode", [""])[0]
    if (method, parts.path, mode) == ("POST", "/restapis", "import"):
        endpoint_type = query.get("endpointConfigurationTypes", ["REGIONAL"])[0]
        return _json(HTTPStatus.CREATED, import_api(cloud, json.loads(body), endpoint_type))
    if (method, mode) == ("PUT", "overwrite"):
        return _json(HTTPStatus.OK, put_api(cloud, parts.path.split("/")[2], json.loads(body)))
    return cloud.send(method, path, body)


def _json(status: HTTPStatus, answer: Json) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()
