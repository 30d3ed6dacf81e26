"""Consent, registration and the token. Every request that names the installation goes through here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from federation.errors import SettingError
from gateway.client.errors import ConsentError, NotRegisteredError, PinnedKeyError, TokenError
from gateway.client.folder import Folder
from gateway.client.identity import FILE as IDENTITY
from gateway.client.identity import Identity, identity_in
from gateway.client.settings import ClientSettings
from gateway.client.standing import FILE, Consent, Standing, standing_in
from gateway.client.vault import Vault, vault_of

if TYPE_CHECKING:
    from gateway.client.protocol import Protocol, Session

T = TypeVar("T")

WAIT_S = 10.0
"""For another process that writes."""
STATE = "state"
RENEW_S = 7 * 86400.0
"""A token that ends sooner is renewed by the next cycle."""


class Account:
    """An installation's account with a federation.

    Args:
        settings: with the server, and the key that it should have.
        folder: of the state.
        protocol: to the server; asked for when it is needed.
        schema_version: told at registration.
        clock: Unix time.
        draw: makes so many random bytes.
    """

    def __init__(
        self,
        settings: ClientSettings,
        folder: Folder,
        protocol: Callable[[], Protocol],
        *,
        schema_version: Callable[[], str],
        clock: Callable[[], float],
        draw: Callable[[int], bytes],
    ) -> None:
        self._settings, self._folder, self._protocol = settings, folder, protocol
        self._schema_version, self._clock, self._draw = schema_version, clock, draw
        self._vault: Vault | None = None

    @property
    def standing(self) -> Standing:
        """As it is in the folder now; another process may have changed it."""
        return standing_in(self._folder)

    def update(self, **changes: Any) -> Standing:
        """Write changes of the standing."""
        with self._folder.locked(STATE, wait_s=WAIT_S):
            made = replace(standing_in(self._folder), **changes)
            self._folder.put(FILE, made.plain())
        return made

    @property
    def identity(self) -> Identity:
        """Made when it is first needed."""
        with self._folder.locked(STATE, wait_s=WAIT_S):
            return identity_in(self._folder, self._draw)

    @property
    def vault(self) -> Vault:
        """Where the token is."""
        if self._vault is None:
            account = self.identity.installation_hash.removeprefix("sha256:")[:32]
            self._vault = vault_of(self._folder, account, keychain=self._settings.keychain)
        return self._vault

    def day(self) -> str:
        """Today, UTC."""
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    def agree(self, *, analytics: bool) -> Consent:
        """Note that the user agrees to this federation. Nothing is sent by this.

        Raises:
            SettingError: when the installation is registered with another one.
        """
        self._check_server(self.standing)
        consent = Consent(server=self._settings.server, analytics=analytics, day=self.day())
        self.update(consent=consent, leaving=False)
        return consent

    def agreed(self, doing: str) -> Standing:
        """The standing of an installation whose user agrees, and which is not registered elsewhere.

        Raises:
            ConsentError: without consent, or with consent to another federation.
            SettingError: when it is registered with another server, which its token is for.
        """
        found = self.standing
        if found.consent is None:
            raise ConsentError(doing=doing)
        self._check_server(found)
        if found.consent.server != self._settings.server:
            raise ConsentError(doing=doing, missing=self._settings.server)
        return found

    @property
    def pinned(self) -> str | None:
        """The key that releases must be signed with; None before the first registration.

        Raises:
            PinnedKeyError: when the configured key is another than the one that was registered with.
        """
        given, known = self._settings.trust.server_key, self.standing.server_key
        if given is not None and known is not None and given != known:
            raise PinnedKeyError(found=given, pinned=known)
        return given or known

    def register(self, enrolment_code: str | None = None) -> Standing:
        """Register, or renew the token: it is the same request.

        Raises:
            ConsentError: without consent.
            PinnedKeyError: when the server shows another key than the pinned one. Its token is not kept.
            ClientError: as the server answers.
        """
        standing = self.agreed("a registration")
        assert standing.consent is not None
        return self._registered(standing.consent, enrolment_code)

    def _registered(self, consent: Consent, enrolment_code: str | None = None) -> Standing:
        import rfc8785

        pinned = self.pinned
        identity = self.identity
        request: dict[str, Any] = {
            "installationHash": identity.installation_hash,
            "pluginVersion": self._settings.plugin_version,
            "schemaVersion": self._schema_version(),
            "platform": sys.platform,
            "consent": {
                "federation": True,
                "analytics": consent.analytics,
                "timestamp": f"{consent.day}T00:00:00Z",
            },
            "publicKey": identity.public_key,
        }
        if self._settings.region is not None:
            request["region"] = self._settings.region
        if enrolment_code is not None:
            request["enrolmentCode"] = enrolment_code
        request["proof"] = identity.sign(rfc8785.dumps(request))
        if pinned is not None and self.standing.client is None:
            # Asked before anything is told: a wrong server need not learn that this installation exists.
            shown = self._protocol().health().get("serverPublicKey")
            if isinstance(shown, str) and shown != pinned:
                raise PinnedKeyError(found=shown[:100], pinned=pinned)
        found = self._protocol().register(request)
        if pinned is not None and found.server_key != pinned:
            raise PinnedKeyError(found=found.server_key, pinned=pinned)
        self.vault.put(found.session.token)
        return self.update(
            server=self._settings.server,
            client=found.session.client,
            server_key=found.server_key,
            expires_at=found.expires_at,
        )

    def call(self, doing: str, request: Callable[[Session], T]) -> T:
        """What a request gives; where the token is refused, the same once more with a new one.

        Raises:
            ConsentError, NotRegisteredError: before anything is sent.
            TokenError: when the new token is refused, too.
            ClientError: as the server answers.
        """
        standing = self.agreed(doing)
        if standing.client is None:
            raise NotRegisteredError(doing=doing)
        assert standing.consent is not None
        return self._with_session(standing.consent, request)

    def _with_session(self, consent: Consent, request: Callable[[Session], T]) -> T:
        from gateway.client.protocol import Session

        client, token = self.standing.client, self.vault.get()
        if client is not None and token is not None:
            try:
                return request(Session(client=client, token=token))
            except TokenError:
                pass  # expired, most likely
        renewed = self._registered(consent)
        assert renewed.client is not None
        return request(Session(client=renewed.client, token=self.vault.get() or ""))

    def renews(self) -> bool:
        """Whether the token ends within a week."""
        expires = self.standing.expires_at
        return expires is not None and expires - self._clock() < RENEW_S

    def stop(self) -> Standing:
        """Take consent back. From here on nothing is sent but the request to be forgotten."""
        found = self.standing
        return self.update(consent=None, leaving=found.leaving or found.client is not None)

    def leave(self) -> None:
        """Ask the server to forget this installation, and forget the registration here.

        An expired token is renewed once for this; it serves nothing else. The next registration is another
        installation's, with another key, and nobody can tell that it is the same machine.

        Raises:
            ClientError: when the server cannot be told; it is to be tried again.
        """
        found = self.standing
        if found.client is not None:
            self._check_server(found)
            consent = found.consent or Consent(server=self._settings.server, analytics=False, day=self.day())
            self._with_session(consent, self._protocol().deregister)
            self.vault.drop()
        self._vault = None
        with self._folder.locked(STATE, wait_s=WAIT_S):
            self._folder.drop(IDENTITY)
            self._folder.put(FILE, Standing(consent=None).plain())

    def _check_server(self, found: Standing) -> None:
        if found.server is not None and found.server != self._settings.server:
            needed = f"{found.server}, where this installation is registered; deregister there first"
            raise SettingError(name="server", found=self._settings.server, needed=needed)
