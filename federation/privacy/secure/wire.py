"""Messages and terms of a secure sum as JSON, for members that are reached over a network.

Rules of evolution: each document says its form and its kind. A field is not removed or given another meaning within
a form, and one that nobody knows is refused, so that nothing travels that is not looked at. Bytes and words are
base64; shares, which are larger than JSON's numbers, are hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from federation.errors import SettingError
from federation.privacy.errors import SecureMessageError
from federation.privacy.secure.fixed_point import FixedPoint
from federation.privacy.secure.messages import (
    AdvertisedKeys,
    DealtShares,
    FromClient,
    FromServer,
    KeyRing,
    MaskedRow,
    Parcel,
    ReceivedShares,
    Revealed,
    SecureTerms,
    UnmaskRequest,
)
from federation.privacy.secure.shamir import SHARE_BYTES

FORM = 1

MOST_MEMBERS = 4096
"""Entries of any list in a message; a bucket has far fewer members."""

Plain: TypeAlias = Mapping[str, Any]
Spoken: TypeAlias = FromClient | FromServer | SecureTerms


def to_wire(message: Spoken) -> bytes:
    """The message as canonical JSON: sorted keys, no blanks; the same message gives the same bytes."""
    kind, plain = _plain(message)
    text = json.dumps({"form": FORM, "kind": kind, **plain}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def from_wire(wire: bytes, *, dimension: int | None = None) -> Spoken:
    """The message that `to_wire` wrote. What it means is for `SecureServer` and `SecureClient` to judge.

    Args:
        wire: from outside; limit its length before.
        dimension: that a masked row must have, where one may come.

    Raises:
        SecureMessageError: for anything else.
    """
    try:
        found = json.loads(wire)
    except (ValueError, RecursionError) as error:
        raise SecureMessageError(found=type(error).__name__, needed="JSON") from error
    if not isinstance(found, dict):
        raise SecureMessageError(found=f"a {type(found).__name__}", needed="an object")
    plain = cast("dict[str, Any]", found)
    form, kind = plain.pop("form", None), plain.pop("kind", None)
    if form != FORM or type(form) is not int:
        raise SecureMessageError(found=f"form {_short(form)}", needed=f"form {FORM}")
    if not isinstance(kind, str) or kind not in _READERS:
        raise SecureMessageError(found=f"kind {_short(kind)}", needed=f"one of {', '.join(sorted(_READERS))}")
    fields = _FIELDS[kind]
    if plain.keys() != fields:
        strange = sorted(plain.keys() ^ fields)
        raise SecureMessageError(found=f"{kind} with other fields: {_short(strange)}", needed=", ".join(sorted(fields)))
    message = _READERS[kind](plain)
    if isinstance(message, MaskedRow) and dimension is not None and message.words.shape != (dimension,):
        raise SecureMessageError(found=f"a row of {len(message.words)} words", needed=f"{dimension} words")
    return message


def _plain(message: Spoken) -> tuple[str, dict[str, Any]]:
    match message:
        case SecureTerms():
            form = message.form
            return "terms", {
                **{name: getattr(message, name) for name in ("run", "round", "bucket", "degree", "threshold")},
                "smallest": message.smallest,
                "dimension": message.dimension,
                "circle": list(message.circle),
                "limit": form.limit.hex(),
                "members": form.members,
                "bits": form.bits,
            }
        case AdvertisedKeys():
            return "keys", _keys(message)
        case KeyRing():
            return "ring", {"keys": [_keys(keys) for keys in message.keys]}
        case DealtShares():
            parcels = [_parcel(parcel) for parcel in message.parcels]
            return "dealt", {"agent": message.agent, "parcels": parcels, "proof": _text(message.proof)}
        case ReceivedShares():
            return "received", {"parcels": [_parcel(parcel) for parcel in message.parcels]}
        case MaskedRow():
            return "row", {"agent": message.agent, "words": _text(message.words.astype("<u4").tobytes())}
        case UnmaskRequest():
            return "unmask", {"survivors": list(message.survivors), "dropped": list(message.dropped)}
        case Revealed():
            shares = {
                name: {agent: f"{share:x}" for agent, share in getattr(message, name).items()}
                for name in ("seeds", "keys")
            }
            return "revealed", {"agent": message.agent, **shares}


def _keys(keys: AdvertisedKeys) -> dict[str, str]:
    return {
        "agent": keys.agent,
        **{name: _text(getattr(keys, name)) for name in ("channel", "masking", "signature")},
    }


def _parcel(parcel: Parcel) -> dict[str, str]:
    return {
        "dealer": parcel.dealer,
        "holder": parcel.holder,
        **{name: _text(getattr(parcel, name)) for name in ("sealed", "seed_proof", "key_proof")},
    }


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _terms(plain: Plain) -> SecureTerms:
    try:
        limit = float.fromhex(_word(plain, "limit"))
        return SecureTerms(
            run=_word(plain, "run"),
            round=_number(plain, "round"),
            bucket=_word(plain, "bucket"),
            circle=_words(plain, "circle"),
            degree=_number(plain, "degree"),
            threshold=_number(plain, "threshold"),
            dimension=_number(plain, "dimension"),
            form=FixedPoint(limit=limit, members=_number(plain, "members"), bits=_number(plain, "bits")),
            smallest=_number(plain, "smallest"),
        )
    except (SettingError, ValueError, OverflowError) as error:
        raise SecureMessageError(found=str(error)[:200], needed="terms that can be kept") from error


def _advertised(plain: Any) -> AdvertisedKeys:
    given = _object(plain, _FIELDS["keys"])
    return AdvertisedKeys(
        agent=_word(given, "agent"),
        channel=_bytes(given, "channel", 32),
        masking=_bytes(given, "masking", 32),
        signature=_bytes(given, "signature", 64),
    )


def _sealed(plain: Any) -> Parcel:
    given = _object(plain, _PARCEL)
    return Parcel(
        dealer=_word(given, "dealer"),
        holder=_word(given, "holder"),
        sealed=_bytes(given, "sealed", None),
        seed_proof=_bytes(given, "seed_proof", 32),
        key_proof=_bytes(given, "key_proof", 32),
    )


def _row(plain: Plain) -> MaskedRow:
    raw = _bytes(plain, "words", None, most=None)
    if len(raw) % 4 or not raw:
        raise SecureMessageError(found=f"{len(raw)} bytes of words", needed="four for each word")
    return MaskedRow(agent=_word(plain, "agent"), words=np.frombuffer(raw, "<u4").astype(np.uint32))


def _shares(plain: Plain, name: str) -> dict[str, int]:
    found = plain[name]
    if not isinstance(found, dict) or len(cast("dict[str, Any]", found)) > MOST_MEMBERS:
        raise SecureMessageError(found=f"{name} that are no object, or too many", needed="a share for each agent")
    made: dict[str, int] = {}
    for agent, share in cast("dict[str, Any]", found).items():
        # int() would take signs, blanks and underscores.
        right = isinstance(share, str) and 0 < len(share) <= 2 * SHARE_BYTES and set(share) <= _HEX
        if not right:
            raise SecureMessageError(found=f"a share {_short(share)}", needed=f"up to {2 * SHARE_BYTES} hex digits")
        made[agent] = int(share, 16)
    return made


_HEX = frozenset("0123456789abcdef")
_PARCEL = frozenset({"dealer", "holder", "sealed", "seed_proof", "key_proof"})
_FIELDS: dict[str, frozenset[str]] = {
    "terms": frozenset(
        ["run", "round", "bucket", "circle", "degree", "threshold", "smallest", "dimension", "limit", "members", "bits"]
    ),
    "keys": frozenset({"agent", "channel", "masking", "signature"}),
    "ring": frozenset({"keys"}),
    "dealt": frozenset({"agent", "parcels", "proof"}),
    "received": frozenset({"parcels"}),
    "row": frozenset({"agent", "words"}),
    "unmask": frozenset({"survivors", "dropped"}),
    "revealed": frozenset({"agent", "seeds", "keys"}),
}
_READERS: dict[str, Callable[[Plain], Spoken]] = {
    "terms": _terms,
    "keys": _advertised,
    "ring": lambda plain: KeyRing(keys=tuple(map(_advertised, _list(plain, "keys")))),
    "dealt": lambda plain: DealtShares(
        agent=_word(plain, "agent"),
        parcels=tuple(map(_sealed, _list(plain, "parcels"))),
        proof=_bytes(plain, "proof", 32),
    ),
    "received": lambda plain: ReceivedShares(parcels=tuple(map(_sealed, _list(plain, "parcels")))),
    "row": _row,
    "unmask": lambda plain: UnmaskRequest(survivors=_words(plain, "survivors"), dropped=_words(plain, "dropped")),
    "revealed": lambda plain: Revealed(
        agent=_word(plain, "agent"), seeds=_shares(plain, "seeds"), keys=_shares(plain, "keys")
    ),
}


def _object(found: Any, fields: frozenset[str]) -> Plain:
    if not isinstance(found, dict) or cast("dict[str, Any]", found).keys() != fields:
        raise SecureMessageError(found=f"an entry {_short(cast('object', found))}", needed=", ".join(sorted(fields)))
    return cast("dict[str, Any]", found)


def _list(plain: Plain, name: str) -> list[Any]:
    found = plain[name]
    if not isinstance(found, list) or len(cast("list[Any]", found)) > MOST_MEMBERS:
        raise SecureMessageError(
            found=f"{name} {_short(cast('object', found))}", needed=f"a list of at most {MOST_MEMBERS}"
        )
    return cast("list[Any]", found)


def _words(plain: Plain, name: str) -> tuple[str, ...]:
    found = _list(plain, name)
    if not all(isinstance(word, str) for word in found):
        raise SecureMessageError(found=f"{name} {_short(found)}", needed="a list of agent ids")
    return tuple(found)


def _word(plain: Plain, name: str) -> str:
    found = plain[name]
    if not isinstance(found, str) or not 0 < len(found) <= 256:
        raise SecureMessageError(found=f"{name} {_short(found)}", needed="1 to 256 characters")
    return found


def _number(plain: Plain, name: str) -> int:
    found = plain[name]
    if type(found) is not int or not 0 <= found < 2**53:
        raise SecureMessageError(found=f"{name} {_short(found)}", needed="a whole number of 0 or more")
    return found


def _bytes(plain: Plain, name: str, length: int | None, most: int | None = 256) -> bytes:
    found = plain[name]
    try:
        raw = base64.b64decode(found, validate=True) if isinstance(found, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None or (length is not None and len(raw) != length) or (most is not None and len(raw) > most):
        needed = f"base64 of {length} bytes" if length is not None else "base64"
        raise SecureMessageError(found=f"{name} that is none, or of another length", needed=needed)
    return raw


def _short(found: object) -> str:
    """What was found, for an error: never long, and never a share or a row."""
    return repr(found)[:60] if isinstance(found, int | float | bool | None) else f"of type {type(found).__name__}"
