"""The table of the federation's operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.federation import documents, errors, operations, registration, reports, secure, secure_documents
from gateway.federation.routes import Route
from telemetry import semconv
from workloads.patterns import DeltaWeightVector, Domain, GlobalWeightVector

if TYPE_CHECKING:
    from gateway.federation.app import Parts

_AS_CLIENT = (errors.UnauthorizedError, errors.QuarantinedError, errors.AwayError, errors.OverloadError)
_WITH_BODY = (errors.InvalidSchemaError, errors.PayloadError, errors.MediaTypeError, errors.SlowBodyError)
_AS_OPERATOR = (errors.OperatorTokenError, errors.AwayError)
_TAGGED = {
    "ETag": 'The version, such as `"v1.2.48"`: send it as If-None-Match.',
    "Cache-Control": "Public where everybody gets the same; private and to be asked for while a rollout is under way.",
    "X-Federation-Status": "`degraded` while the storage is away and this is what was known before.",
}
_DOMAIN: Mapping[str, Any] = {
    "name": "domain",
    "in": "query",
    "description": "Only what is known of this domain, as a document of its own with its own signature.",
    "schema": {"type": "string", "enum": [domain.value for domain in Domain]},
    "example": "frontend",
}
_LIMIT: Mapping[str, Any] = {
    "name": "limit",
    "in": "query",
    "description": "How many at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "example": 20,
}
_AFTER: Mapping[str, Any] = {
    "name": "after",
    "in": "query",
    "description": "`next` of the part before.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{0,64}$"},
    "example": "17",
}
_STATE: Mapping[str, Any] = {
    "name": "state",
    "in": "query",
    "description": "Only clients in this state.",
    "schema": {"type": "string", "enum": ["active", "quarantined", "deregistered"]},
    "example": "quarantined",
}
_ROUND: Mapping[str, Any] = {
    "name": "round",
    "in": "query",
    "required": True,
    "description": "Which one; `currentRound` of GET health is open.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "example": 48,
}
_LETTERS: Mapping[str, Any] = {
    "name": "after",
    "in": "query",
    "description": "Only letters above this number.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 100, "default": 0},
    "example": 1,
}
_WAITING: Mapping[str, Any] = {
    "name": "wait",
    "in": "query",
    "description": "Seconds to wait for a letter, when there is none.",
    "schema": {"type": "number", "minimum": 0, "maximum": 25, "default": 0},
    "example": 20,
}
_ROSTER: Mapping[str, Any] = {
    "name": "after",
    "in": "query",
    "description": "`next` of the part before.",
    "schema": {"type": "string", "pattern": "^([a-f0-9]{64})?$"},
    "example": "3f0c9a4e" * 8,
}


def table_of(parts: Parts) -> tuple[Route, ...]:
    """All operations, each with the handler that answers it."""
    return (*_of_clients(parts), *_of_operators(parts))


def _of_clients(parts: Parts) -> tuple[Route, ...]:
    weights, reception, registrar = parts.weights, parts.reception, parts.registrar
    return (
        Route(
            method="POST",
            path="register",
            handler=registrar.register,
            name="register",
            summary="Register an installation, or renew its token",
            asked_by="anybody",
            takes=registration.Registration,
            status=201,
            answers=documents.Registered,
            further={200: "A known installation, with a new token. The one before has ended."},
            refuses=(
                *_WITH_BODY,
                errors.SignatureError,
                errors.ConsentError,
                errors.EnrolmentError,
                errors.KeyMismatchError,
                errors.EnrolmentRateError,
                errors.AwayError,
            ),
            span=semconv.SPAN_CLIENT_REGISTRATION,
        ),
        Route(
            method="DELETE",
            path="register",
            handler=registrar.deregister,
            name="deregister",
            summary="Leave the federation; what is known of the client is purged within a day",
            status=202,
            answers=documents.Deregistered,
            refuses=(errors.UnauthorizedError, errors.AwayError, errors.OverloadError),
            span=semconv.SPAN_CLIENT_REGISTRATION,
        ),
        Route(
            method="POST",
            path="weights/submit",
            handler=parts.counter.submit,
            name="submit",
            summary="Submit a delta",
            takes=DeltaWeightVector,
            status=202,
            answers=documents.Accepted,
            refuses=(
                *_WITH_BODY,
                *_AS_CLIENT,
                errors.SignatureError,
                errors.StaleBaseError,
                errors.StaleSubmissionError,
                errors.NonceError,
                errors.RateError,
                errors.SecureOnlyError,
            ),
            span=semconv.SPAN_CLIENT_SUBMISSION,
        ),
        *_of_members(parts),
        Route(
            method="GET",
            path="weights/latest",
            handler=weights.latest,
            name="latest",
            summary="Get the weights that this client is to have",
            parameters=(_DOMAIN,),
            answers=GlobalWeightVector,
            further={304: "The client has them."},
            headers={**_TAGGED, "X-Rollout-Group": "The stage of a rollout with which the client gets a new release."},
            refuses=(errors.InvalidSchemaError, *_AS_CLIENT, errors.UnknownVersionError),
            span=semconv.SPAN_RELEASE_DELIVERY,
        ),
        Route(
            method="GET",
            path="weights/v/{version}",
            handler=weights.version,
            name="version",
            summary="Get the weights of a version",
            parameters=(_DOMAIN,),
            answers=GlobalWeightVector,
            further={304: "The client has them."},
            headers=_TAGGED,
            refuses=(errors.InvalidSchemaError, *_AS_CLIENT, errors.UnknownVersionError),
            span=semconv.SPAN_RELEASE_DELIVERY,
        ),
        Route(
            method="GET",
            path="weights/manifest",
            handler=weights.manifest,
            name="manifest",
            summary="List the versions",
            answers=documents.Manifest,
            refuses=_AS_CLIENT,
        ),
        Route(
            method="POST",
            path="reports",
            handler=reception.report,
            name="report",
            summary="Report how a version does: calls and errors of a day",
            takes=reports.Report,
            status=204,
            refuses=(
                *_WITH_BODY,
                *_AS_CLIENT,
                errors.StaleSubmissionError,
                errors.UnknownVersionError,
                errors.RateError,
            ),
        ),
        Route(
            method="POST",
            path="appeal",
            handler=reception.appeal,
            name="appeal",
            summary="Appeal against quarantine",
            takes=reports.AppealText,
            status=202,
            answers=documents.Recorded,
            refuses=(
                *_WITH_BODY,
                errors.UnauthorizedError,
                errors.RateError,
                errors.AwayError,
                errors.OverloadError,
            ),
        ),
        Route(
            method="GET",
            path="health",
            handler=reception.health,
            name="health",
            summary="How the federation is",
            asked_by="anybody",
            answers=documents.Health,
        ),
    )


def _of_members(parts: Parts) -> tuple[Route, ...]:
    post = parts.post
    refuses = (*_AS_CLIENT, errors.NotSecureError, errors.InvalidSchemaError)
    bodies = (*_WITH_BODY, *_AS_CLIENT, errors.NotSecureError, errors.RateError)
    return (
        Route(
            method="POST",
            path="secure/join",
            handler=post.join,
            name="secure_join",
            summary="Take part in the secret sums of a round",
            takes=secure.Participation,
            status=202,
            answers=secure_documents.Joined,
            refuses=(*bodies, errors.SignatureError, errors.StaleBaseError, errors.StaleSubmissionError),
            span=semconv.SPAN_CLIENT_PARTICIPATION,
        ),
        Route(
            method="GET",
            path="secure/mail",
            handler=post.mail,
            name="secure_mail",
            summary="Get what the members of a secret sum are told; waits for it, if asked to",
            parameters=(_ROUND, _LETTERS, _WAITING),
            answers=secure_documents.Letters,
            refuses=refuses,
        ),
        Route(
            method="POST",
            path="secure/mail",
            handler=post.answer,
            name="secure_answer",
            summary="Answer in a secret sum",
            takes=secure.SecureMessage,
            parameters=(_ROUND,),
            status=202,
            answers=secure_documents.TakenIn,
            refuses=(*bodies, errors.SecureLateError),
        ),
        Route(
            method="GET",
            path="secure/draw",
            handler=post.draw,
            name="secure_draw",
            summary="See how the members of a round were drawn into buckets",
            parameters=(_ROUND, _ROSTER),
            answers=secure_documents.Draw,
            refuses=refuses,
        ),
    )


def _of_operators(parts: Parts) -> tuple[Route, ...]:
    operator = parts.operations
    lists = (
        ("releases", operator.releases, "List releases, newest first", (_LIMIT, _AFTER)),
        ("clients", operator.clients, "List clients", (_LIMIT, _AFTER, _STATE)),
        ("appeals", operator.appeals, "List appeals, the longest waiting first", (_LIMIT,)),
        ("audit", operator.audit, "The audit log, newest first", (_LIMIT, _AFTER)),
    )
    return (
        Route(
            method="GET",
            path="operations/status",
            handler=operator.status,
            name="operations_status",
            summary="What the federation is doing",
            asked_by="operator",
            answers=documents.Status,
            refuses=_AS_OPERATOR,
        ),
        *(
            Route(
                method="GET",
                path=f"operations/{name}",
                handler=handler,
                name=f"operations_{name}",
                summary=summary,
                asked_by="operator",
                parameters=parameters,
                answers=documents.Listed,
                refuses=(errors.InvalidSchemaError, *_AS_OPERATOR),
            )
            for name, handler, summary, parameters in lists
        ),
        Route(
            method="GET",
            path="operations/answers/{id}",
            handler=operator.answer,
            name="operations_answer",
            summary="What the clerk says of a request",
            asked_by="operator",
            answers=documents.ClerkAnswer,
            refuses=(*_AS_OPERATOR, errors.UnknownAnswerError),
        ),
        Route(
            method="POST",
            path="operations/approve",
            handler=operator.approve,
            name="operations_approve",
            summary="Agree to the next stage of a rollout",
            asked_by="operator",
            takes=operations.VersionNamed,
            answers=documents.RolloutShown,
            refuses=(*_WITH_BODY, *_AS_OPERATOR, errors.UnknownVersionError),
        ),
        *(
            Route(
                method="POST",
                path=f"operations/{name}",
                handler=operator.leaving(name),
                name=f"operations_{name}",
                summary=summary,
                asked_by="operator",
                takes=model,
                status=202,
                answers=documents.Asked,
                headers={"Location": "Where the clerk says what came of it."},
                refuses=(*_WITH_BODY, *_AS_OPERATOR),
            )
            for name, (model, summary) in operations.ASKED.items()
        ),
    )
