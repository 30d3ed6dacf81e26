"""How the operators' commands reach a federation: over its operations, with the operator's token.

They never open the storage themselves, so they work from any machine that reaches the server, and what is asked
for stands in the audit log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from federation.errors import SettingError, SwarmError

URL = "http://127.0.0.1:8470"
URL_VARIABLE = "SWARMLORE_FEDERATION_URL"
OPERATOR_VARIABLE = "SWARMLORE_OPERATOR_TOKEN"
OPERATIONS = "/federation/v1/operations"
ANSWER_S = 30.0
"""How long the server may take for an answer."""
POLL_S = 0.5
_LONGEST = 64 * 2**20


class FederationUnreachableError(SwarmError):
    """A federation's server that does not answer."""

    code = "federation.unreachable"

    def __init__(self, *, url: str, found: str) -> None:
        super().__init__(
            f"No federation answers at {url} ({found}). Is `swarmlore federation serve` running there? --url or "
            f"{URL_VARIABLE} names another one, --ca the authority to trust; `swarmlore "
            "federation --certificate FILE ...` shows one, where the server asks for it.",
            url=url,
            found=found,
        )


class FederationRefusalError(SwarmError):
    """What a federation refuses an operator."""

    code = "federation.refused"

    def __init__(self, *, status: int, reason: str, detail: str) -> None:
        super().__init__(
            f"The federation refuses ({status} {reason}): {detail}", status=status, reason=reason, detail=detail
        )


class FederationSlowError(SwarmError):
    """A request that is taken, and not carried out in time."""

    code = "federation.slow"

    def __init__(self, *, request: str, waited_s: float) -> None:
        super().__init__(
            f"The request {request} is not carried out after {waited_s:g} s. It stays: `swarmlore federation status` "
            "shows what the federation is doing.",
            request=request,
            waited_s=waited_s,
        )


def operator_token(path: Path | None) -> str:
    """The operator's token, of the file or of the environment.

    Raises:
        SettingError: when there is none.
    """
    needed = f"a file with the operator's token, or {OPERATOR_VARIABLE}"
    try:
        token = os.environ.get(OPERATOR_VARIABLE, "") if path is None else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            name="operator-token-file", found=f"{path}: {type(error).__name__}", needed=needed
        ) from error
    if not token.strip():
        raise SettingError(name="operator-token-file", found=None if path is None else str(path), needed=needed)
    return token.strip()


class Office:
    """The operations of one federation.

    Args:
        url: of the server.
        token: the operator's.
        ca: certificate authority to trust, in place of the system's.
        certificate: file with a certificate to show, and its key, where the server asks for one; or a file for each.
        sleep, clock: for waiting on what is asked for.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | None = None,
        certificate: tuple[Path, Path | None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._sleep, self._clock = url.rstrip("/"), sleep, clock
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        # Given with each request: REQUESTS_CA_BUNDLE counts for more than a session's own.
        self._given: dict[str, Any] = {} if ca is None else {"verify": str(ca)}
        if certificate is not None:
            both, key = certificate
            self._session.cert = str(both) if key is None else (str(both), str(key))

    def read(self, what: str, **query: Any) -> dict[str, Any]:
        """The answer to GET operations/WHAT; parameters that are None are left out."""
        return self._ask("GET", what, params={name: value for name, value in query.items() if value is not None})

    def act(self, what: str, **body: Any) -> dict[str, Any]:
        """The answer to POST operations/WHAT."""
        return self._ask("POST", what, json={name: value for name, value in body.items() if value is not None})

    def carry_out(self, what: str, *, wait_s: float, **body: Any) -> dict[str, Any]:
        """What came of an operation that the clerk carries out.

        Raises:
            FederationSlowError: when it is not carried out in time.
            FederationRefusalError: when it was not possible.
        """
        taken = self.act(what, **body)
        begun = self._clock()
        while self._clock() - begun < wait_s:
            found = self.read(f"answers/{taken['id']}")
            if found.get("state") == "done":
                if not found.get("ok"):
                    raise FederationRefusalError(
                        status=409, reason=str(found.get("code")), detail=str(found.get("detail"))
                    )
                result: Mapping[str, Any] = found.get("result") or {}
                return dict(result)
            self._sleep(POLL_S)
        raise FederationSlowError(request=str(taken["id"]), waited_s=wait_s)

    def _ask(self, method: str, what: str, **given: Any) -> dict[str, Any]:
        url = f"{self._url}{OPERATIONS}/{what}"
        try:
            answer = self._session.request(
                method, url, timeout=ANSWER_S, allow_redirects=False, stream=True, **given, **self._given
            )
            raw = answer.raw.read(_LONGEST, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise FederationUnreachableError(url=self._url, found=type(error).__name__) from error
        document = _document(raw)
        if not answer.ok or document is None:
            told = document or {}
            raise FederationRefusalError(
                status=answer.status_code,
                reason=str(told.get("code", "no problem document")),
                detail=str(told.get("detail", answer.reason)),
            )
        return document


def _document(raw: bytes) -> dict[str, Any] | None:
    import json

    if not raw:
        return {}
    try:
        found: Any = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
