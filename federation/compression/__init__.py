"""Codecs between float32 rows and the payloads that are signed and sent."""

from federation.compression.base import Codec, Payload, Rows
from federation.compression.feedback import ErrorFeedback
from federation.compression.int8 import Int8Codec
from federation.compression.raw import RawCodec
from federation.compression.topk import TopKCodec, TopKInt8Codec

__all__ = ["Codec", "ErrorFeedback", "Int8Codec", "Payload", "RawCodec", "Rows", "TopKCodec", "TopKInt8Codec"]
