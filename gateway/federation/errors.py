"""What the federation's door refuses, one class for each meaning, with the code and the status that clients see.

The codes are those of the protocol's own table, in its spelling; those that it lacks are spelled alike.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from federation.errors import SwarmError


class RefusalError(SwarmError):
    """A request that is refused.

    Attributes:
        status: of the HTTP answer.
        retry_after_s: when it may be tried again; None where that is of no use.
    """

    code = "REFUSED"
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, *, retry_after_s: int | None = None, **fields: Any) -> None:
        later = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
        super().__init__(message, **fields, **later)
        self.later = retry_after_s


class InvalidSchemaError(RefusalError):
    """A body, a header or a query that does not fit its schema."""

    code = "INVALID_SCHEMA"

    def __init__(self, *, found: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(
            f"{found} /federation/v1/openapi.json says what this operation takes.", found=found, errors=errors
        )


class SignatureError(RefusalError):
    """A signature that the key of the client did not make."""

    code = "INVALID_SIGNATURE"

    def __init__(self, *, what: str) -> None:
        super().__init__(
            f"The {what} does not verify. It is Ed25519 over the RFC 8785 form of the body without that member, by the "
            "key that the installation is registered with.",
            what=what,
        )


class StaleBaseError(RefusalError):
    """A delta to a release that is too old, was withdrawn, or never was."""

    code = "STALE_BASE_VERSION"

    def __init__(self, *, base: str, current: str, behind: int) -> None:
        super().__init__(
            f"The delta is based on {base}; version {current} is current, and a base may be at most {behind} served "
            "versions behind it. Get weights/latest, and extract the delta anew.",
            base=base,
            current=current,
            behind=behind,
        )


class StaleSubmissionError(RefusalError):
    """A submission for a round, or of a day, that is too long ago or yet to come."""

    code = "STALE_SUBMISSION"

    def __init__(self, *, member: str, found: str, needed: str) -> None:
        super().__init__(
            f"{member} is {found}; {needed} is needed. GET health says which round is current: sign the delta anew.",
            member=member,
            found=found,
            needed=needed,
        )


class ConsentError(RefusalError):
    """A registration without consent to the federation."""

    code = "CONSENT_REQUIRED"

    def __init__(self) -> None:
        super().__init__("consent.federation is false: nobody is registered without consent. Ask for it first.")


class UnauthorizedError(RefusalError):
    """A client token that is missing, unknown, expired or revoked, or that belongs to another client."""

    code = "UNAUTHORIZED"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, *, found: str) -> None:
        super().__init__(
            f"{found} Send `Authorization: Bearer TOKEN` and `X-Client-ID` as POST register answered them; register "
            "again with the same key for a new token.",
            found=found,
        )


class OperatorTokenError(RefusalError):
    """An operator's request without the operator's token."""

    code = "OPERATOR_TOKEN"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__(
            "This is for operators: send `Authorization: Bearer TOKEN` with what --operator-token-file holds."
        )


class QuarantinedError(RefusalError):
    """A client that anomaly detection has flagged."""

    code = "CLIENT_QUARANTINED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, *, appeal: str) -> None:
        super().__init__(
            f"This client's updates were out of line too often; it takes no part until an operator reinstates it. POST "
            f"{appeal} with a text brings it to the operator.",
            appeal=appeal,
        )


class EnrolmentError(RefusalError):
    """A new installation without the enrolment code that this federation asks for."""

    code = "ENROLMENT_REFUSED"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This federation takes new installations by code only: send it as `enrolmentCode`.")


class NotFoundError(RefusalError):
    """A path that is none."""

    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is nothing at this path. /federation/v1/openapi.json lists what there is.")


class UnknownVersionError(RefusalError):
    """A version that was never released, or in which nothing is known of the domain."""

    code = "UNKNOWN_VERSION"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, *, version: str) -> None:
        super().__init__(f"There is no release {version}. GET weights/manifest lists the releases.", version=version)


class UnknownAnswerError(RefusalError):
    """A request to the clerk that was never made, or whose answer is no longer kept."""

    code = "UNKNOWN_REQUEST"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("No such request waits, and no answer to it is kept. The newest hundred answers are.")


class MethodError(RefusalError):
    """A method that the path does not have."""

    code = "METHOD_NOT_ALLOWED"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, *, allowed: str) -> None:
        super().__init__(f"This path takes {allowed}.", allowed=allowed)


class SlowBodyError(RefusalError):
    """A body that does not come in time."""

    code = "REQUEST_TIMEOUT"
    status = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, *, within_s: float) -> None:
        super().__init__(f"The body did not come within {within_s:g} s. Send it again.", within_s=within_s)


class KeyMismatchError(RefusalError):
    """An installation that is known by another key."""

    code = "KEY_MISMATCH"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "This installation is registered with another key. Register with that one; if it is lost, choose a new "
            "installation id."
        )


class NonceError(RefusalError):
    """A nonce that came before, with another document."""

    code = "NONCE_REUSED"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("This nonce came before, with another document. Draw a new one for each submission.")


class SecureOnlyError(RefusalError):
    """A delta in the clear, where clients are summed in secret."""

    code = "SECURE_ONLY"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "This federation sees no single delta: take part in its sums by secure/join, as `swarmlore client push "
            "--secure` does. Nothing of the body was kept."
        )


class NotSecureError(RefusalError):
    """A request about secret sums, where there are none."""

    code = "NOT_SECURE"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("This federation does not sum in secret. POST weights/submit takes a delta.")


class SecureLateError(RefusalError):
    """An answer for a secret sum that is over, or that the client is no member of, or that answered already."""

    code = "SECURE_LATE"
    status = HTTPStatus.CONFLICT

    def __init__(self, *, kind: str) -> None:
        super().__init__(
            f"No session waits for this client's {kind}: it is over, or has another answer. Join the next round.",
            kind=kind,
        )


class PayloadError(RefusalError):
    """A body that is larger than what is taken."""

    code = "PAYLOAD_TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes, sent or inflated. Send fewer patterns, those that changed most.",
            limit=limit,
        )


class MediaTypeError(RefusalError):
    """A body in a format or a compression that is not taken."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self, *, header: str, needed: str) -> None:
        super().__init__(f"{header} has to be {needed}.", header=header, needed=needed)


class RateError(RefusalError):
    """More than a client may send."""

    code = "RATE_LIMITED"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, *, limit: str, retry_after_s: int) -> None:
        super().__init__(
            f"A client may send {limit}. Come back in {retry_after_s} s.", limit=limit, retry_after_s=retry_after_s
        )


class EnrolmentRateError(RefusalError):
    """More new installations, or wrong codes, than one address may bring in a day."""

    code = "ENROLMENT_LIMITED"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, *, limit: int, retry_after_s: int) -> None:
        super().__init__(
            f"An address may register {limit} new installations a day. Come back in {retry_after_s} s, or ask the "
            "operator.",
            limit=limit,
            retry_after_s=retry_after_s,
        )


class AwayError(RefusalError):
    """A storage that does not answer."""

    code = "UNAVAILABLE"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, *, retry_after_s: int = 30) -> None:
        super().__init__(
            f"The federation's storage does not answer. Nothing was changed; try again in {retry_after_s} s.",
            retry_after_s=retry_after_s,
        )


class OverloadError(RefusalError):
    """More requests at a time than the storage keeps up with."""

    code = "OVERLOADED"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, *, retry_after_s: int = 5) -> None:
        super().__init__(
            f"More requests wait than can be served soon. Try again in {retry_after_s} s.", retry_after_s=retry_after_s
        )


class UnexpectedError(RefusalError):
    """An error that was not foreseen."""

    code = "UNEXPECTED"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("The federation did not foresee this error. The server's log says where it happened.")
