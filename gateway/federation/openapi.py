"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic.json_schema import models_json_schema

from gateway.federation import errors
from gateway.federation.errors import RefusalError, UnexpectedError
from gateway.federation.examples import ANSWERS, BODIES, VARIABLES
from gateway.federation.exchange import refused
from gateway.federation.routes import Route
from gateway.problems import MEDIA_TYPE, SCHEMA

ABOUT = """Installations of coding agents improve each other's tool selection, error recovery and team patterns by
sharing numeric pattern weights.

Errors are problem documents (RFC 9457) with a stable `code` and the numbers of what went wrong. Clients send the token
that POST register answered, their client id and the schema version; deltas and registrations are signed by the
client's Ed25519 key over their RFC 8785 form without the signature. Bodies may be compressed with gzip, and are at most
256 KiB large, before and after."""

_REF = "#/components/schemas/{model}"
_MUST = {"DeltaWeightVector": ("baseVersion", "signature"), "Participation": ("signature",)}
"""What the door needs beyond what the document's own schema asks for."""

REFUSALS: tuple[RefusalError, ...] = (
    errors.InvalidSchemaError(
        found="The body does not fit: weights: Field required.", errors=("weights: Field required",)
    ),
    errors.SignatureError(what="signature"),
    errors.StaleBaseError(base="1.2.40", current="1.2.48", behind=5),
    errors.StaleSubmissionError(member="round", found="12", needed="from 36 to 48"),
    errors.ConsentError(),
    errors.UnauthorizedError(found="The client token has expired."),
    errors.OperatorTokenError(),
    errors.QuarantinedError(appeal="/federation/v1/appeal"),
    errors.EnrolmentError(),
    errors.NotFoundError(),
    errors.UnknownVersionError(version="1.2.49"),
    errors.UnknownAnswerError(),
    errors.MethodError(allowed="GET, HEAD"),
    errors.SlowBodyError(within_s=30.0),
    errors.KeyMismatchError(),
    errors.NonceError(),
    errors.SecureOnlyError(),
    errors.NotSecureError(),
    errors.SecureLateError(kind="row"),
    errors.PayloadError(limit=262144),
    errors.MediaTypeError(header="Content-Type", needed="application/json"),
    errors.RateError(limit="4 submissions a day", retry_after_s=3600),
    errors.EnrolmentRateError(limit=20, retry_after_s=3600),
    errors.AwayError(),
    errors.OverloadError(),
    errors.UnexpectedError(),
)
"""One of each, as an example."""


def document(routes: Sequence[Route], *, schema_version: str) -> dict[str, Any]:
    """The OpenAPI document of the routes."""
    models = {model for route in routes for model in (route.takes, route.answers) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "validation") for model in ordered], by_alias=True, ref_template=_REF)
    schemas: dict[str, Any] = made.get("$defs", {})
    for name, members in _MUST.items():
        schemas[name]["required"] = sorted({*schemas[name].get("required", ()), *members})
    schemas["Problem"] = SCHEMA
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, schema_version)
    return {
        "openapi": "3.1.0",
        "info": {"title": "swarmlore federation", "version": _version(), "description": ABOUT},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "client": {"type": "http", "scheme": "bearer", "description": "The client token of POST register."},
                "operator": {"type": "http", "scheme": "bearer", "description": "What --operator-token-file holds."},
            },
        },
    }


def encoded(made: dict[str, Any]) -> bytes:
    """The document as bytes."""
    return json.dumps(made, separators=(",", ":")).encode()


def _operation(route: Route, schema_version: str) -> dict[str, Any]:
    about = (route.handler.__doc__ or "").strip()
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": ["operations" if route.asked_by == "operator" else "clients"],
        "security": [] if route.asked_by == "anybody" else [{route.asked_by: []}],
        "parameters": [*_path(route), *route.parameters, *_headers(route, schema_version)],
        "responses": _responses(route),
    }
    if about:
        found["description"] = about
    if route.takes is not None:
        content = {
            "schema": {"$ref": _REF.format(model=route.takes.__name__)},
            "examples": {"example": {"value": BODIES[route.name]}},
        }
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _path(route: Route) -> list[dict[str, Any]]:
    folder, _, last = route.template.rpartition("/")
    del folder
    if not last.startswith("{"):
        return []
    return [{"name": last[1:-1], "in": "path", "required": True, **VARIABLES[last[1:-1]]}]


def _headers(route: Route, schema_version: str) -> list[dict[str, Any]]:
    if route.asked_by != "client":
        return []
    found: list[dict[str, Any]] = [
        {
            "name": "X-Client-ID",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
            "example": BODIES["submit"]["clientId"],
        }
    ]
    if route.name == "submit":
        found.append(
            {
                "name": "X-Schema-Version",
                "in": "header",
                "required": True,
                "description": "The body's `schemaVersion`.",
                "schema": {"type": "string", "pattern": r"^\d{1,9}\.\d{1,9}$"},
                "example": schema_version,
            }
        )
    if route.name in ("latest", "version"):
        found.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "The ETag of what the client has.",
                "schema": {"type": "string"},
                "example": '"v1.2.47"',
            }
        )
    return found


def _responses(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answers is not None:
        content = {
            "content": {
                "application/json": {
                    "schema": {"$ref": _REF.format(model=route.answers.__name__)},
                    "examples": {"example": {"value": ANSWERS[route.name]}},
                }
            }
        }
    headers = {
        "headers": {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in route.headers.items()
        }
    }
    shown = headers if route.headers else {}
    found: dict[str, Any] = {str(route.status): {"description": HTTPStatus(route.status).phrase, **shown, **content}}
    for status, meaning in route.further.items():
        found[str(status)] = {"description": meaning, **shown, **({} if status == HTTPStatus.NOT_MODIFIED else content)}
    for refusal in (*route.refuses, UnexpectedError):
        example = next(one for one in REFUSALS if type(one) is refusal)
        entry = found.setdefault(
            str(int(refusal.status)),
            {
                "description": refusal.status.phrase,
                "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}, "examples": {}}},
            },
        )
        value = json.loads(refused(example, route.template).body)
        entry["content"][MEDIA_TYPE]["examples"][refusal.code] = {"value": value}
        if example.later is not None:
            entry["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
            }
    return found


def _version() -> str:
    try:
        return version("swarmlore")
    except PackageNotFoundError:
        return "0"
