"""Codecs between float32 rows and the payloads that are signed and sent."""

from federation.compression.base import Codec, Payload, Rows
from federation.compression.raw import RawCodec

__all__ = ["Codec", "Payload", "RawCodec", "Rows"]
