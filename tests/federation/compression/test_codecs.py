"""What every codec must do, inherited by each codec's own test class, and what is particular to each."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from federation.compression import Codec, Int8Codec, RawCodec, TopKCodec, TopKInt8Codec
from federation.compression.int8 import LARGEST_SCALE
from federation.compression.topk import index_form, kept
from federation.errors import CodecError, SettingError, UpdatesError

DIMENSIONS = [1, 2, 7, 8, 9, 64, 1000]


class CodecContract:
    """Subclasses say which codec, and how far a finite row may come back from what was sent."""

    codec: Codec

    def bound(self, rows: np.ndarray) -> np.ndarray:
        """``(k,)``: the largest error allowed in any value of each row."""
        raise AssertionError("each codec states its own bound")

    def rows(self, k: int, d: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((k, d)).astype(np.float32)

    def through(self, rows: np.ndarray) -> np.ndarray:
        return self.codec.decode(self.codec.encode(rows), rows.shape[1])

    def assert_within(self, rows: np.ndarray) -> None:
        back = self.through(rows)
        error = np.abs(back.astype(np.float64) - rows.astype(np.float64)).max(axis=1)
        assert (error <= self.bound(rows.astype(np.float64))).all()

    @pytest.mark.parametrize("d", DIMENSIONS)
    @pytest.mark.parametrize("k", [0, 1, 5])
    def test_shape_and_dtype_are_as_stated(self, k: int, d: int) -> None:
        payload = self.codec.encode(self.rows(k, d))
        assert payload.shape == (k, self.codec.width(d))
        assert payload.dtype == self.codec.payload_dtype
        back = self.codec.decode(payload, d)
        assert back.shape == (k, d)
        assert back.dtype == np.float32

    def test_is_a_codec_with_a_name_and_equal_by_value(self) -> None:
        assert isinstance(self.codec, Codec)
        assert self.codec.name
        assert self.codec == replace(self.codec)  # type: ignore[type-var]
        assert pickle.loads(pickle.dumps(self.codec)) == self.codec

    def test_same_rows_same_bytes_and_each_row_alone(self) -> None:
        rows = self.rows(6, 130)
        payload = self.codec.encode(rows)
        assert payload.tobytes() == self.codec.encode(rows.copy()).tobytes()
        for i in range(6):
            assert self.codec.encode(rows[i : i + 1]).tobytes() == payload[i : i + 1].tobytes()

    def test_layout_of_memory_does_not_matter(self) -> None:
        rows = self.rows(6, 130)
        payload = self.codec.encode(rows)
        assert self.codec.encode(np.asfortranarray(rows)).tobytes() == payload.tobytes()
        turned: np.ndarray = np.asfortranarray(payload)
        assert np.array_equal(self.codec.decode(turned, 130), self.codec.decode(payload, 130))

    def test_read_only_inputs_are_taken_and_never_aliased(self) -> None:
        rows = self.rows(3, 20)
        kept = rows.copy()
        rows.flags.writeable = False
        payload = self.codec.encode(rows)
        assert not np.shares_memory(payload, rows)
        payload.flags.writeable = False
        back = self.codec.decode(payload, 20)
        assert not np.shares_memory(back, payload)
        back += 1
        assert np.array_equal(rows, kept)

    def test_zeros_come_back_as_zeros(self) -> None:
        assert not self.through(np.zeros((2, 33), np.float32)).any()
        assert not self.through(-np.zeros((2, 33), np.float32)).any()

    @pytest.mark.parametrize("d", DIMENSIONS)
    def test_round_trip_error_is_within_the_bound(self, d: int) -> None:
        self.assert_within(self.rows(20, d, seed=d))

    @pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-20, 1e20, 3.4028235e38])
    def test_extreme_values_stay_finite_and_within_the_bound(self, scale: float) -> None:
        signs = np.where(self.rows(4, 50) < 0, -1.0, 1.0)
        rows = (signs * scale).astype(np.float32)
        rows[:, ::3] = 0
        assert np.isfinite(self.through(rows)).all()
        self.assert_within(rows)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_never_hidden(self, bad: float) -> None:
        rows = self.rows(4, 40)
        rows[2, 17] = bad
        payload = self.codec.encode(rows)
        refused: tuple[int, ...] = ()
        try:
            back = self.codec.decode(payload, 40)
            assert not np.isfinite(back[2]).all()
        except CodecError as error:
            refused = error.rows
        assert refused in ((), (2,))
        others = self.codec.decode(np.delete(payload, 2, axis=0), 40)
        assert np.array_equal(others, self.through(np.delete(rows, 2, axis=0)))

    def test_decoding_a_round_trip_again_changes_nothing(self) -> None:
        once = self.through(self.rows(5, 200))
        assert np.allclose(self.through(once), once, rtol=1e-6, atol=0)

    def test_wrong_rows_are_refused(self) -> None:
        for wrong in (
            np.zeros((2, 3)),
            np.zeros(3, np.float32),
            np.zeros((2, 0), np.float32),
            [[1.0]],
            None,
        ):
            with pytest.raises(UpdatesError):
                self.codec.encode(wrong)  # type: ignore[arg-type]

    def test_payloads_of_a_wrong_shape_or_dtype_are_refused(self) -> None:
        good = self.codec.encode(self.rows(2, 30))
        for wrong in (
            good[:, :-1],
            np.concatenate([good, good[:, :1]], axis=1),
            good[0],
            good[None],
            good.astype(np.float64),
            good.astype(object),
            good.tolist(),
            good.tobytes(),
            None,
        ):
            with pytest.raises(CodecError):
                self.codec.decode(wrong, 30)  # type: ignore[arg-type]
        with pytest.raises(CodecError):
            self.codec.decode(good, 31 + 30)

    def test_random_bytes_are_refused_or_decode_to_the_shape(self) -> None:
        rng = np.random.default_rng(5)
        dtype = self.codec.payload_dtype
        size = self.codec.width(40)
        for _ in range(200):
            raw = rng.integers(0, 256, (3, size * dtype.itemsize), dtype=np.uint8)
            payload = raw.view(dtype)
            refused: tuple[int, ...] = ()
            try:
                assert self.codec.decode(payload, 40).shape == (3, 40)
            except CodecError as error:
                refused = error.rows
            assert set(refused) <= {0, 1, 2}

    @pytest.mark.parametrize("d", [100, 1000, 70_000])
    def test_the_ratio_stated_by_width_is_the_ratio_measured(self, d: int) -> None:
        payload = self.codec.encode(self.rows(2, d))
        stated = 4 * d / (self.codec.width(d) * self.codec.payload_dtype.itemsize)
        assert 2 * d * 4 / len(payload.tobytes()) == stated


TINY = 1e-44  # a few of the smallest float32: where a scale underflows


def dropped(rows: np.ndarray, fraction: float) -> np.ndarray:
    """``(k,)``: the largest magnitude that a top-k codec leaves out."""
    count = kept(fraction, rows.shape[1])
    ordered = np.sort(np.abs(rows), axis=1)[:, ::-1]
    return ordered[:, count] if count < rows.shape[1] else np.zeros(len(rows))


class TestRaw(CodecContract):
    codec = RawCodec()

    def bound(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows))

    def test_nan_payload_bits_survive(self) -> None:
        rows = np.array([[np.nan, np.inf, -0.0]], np.float32)
        assert self.through(rows).tobytes() == rows.tobytes()


class TestInt8(CodecContract):
    codec = Int8Codec()

    def bound(self, rows: np.ndarray) -> np.ndarray:
        return np.abs(rows).max(axis=1) / 254 * (1 + 1e-5) + 127 * TINY

    @pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf, -1.0, -0.0, 3e38])
    def test_a_scale_that_cannot_be_is_refused_by_row(self, scale: float) -> None:
        payload = self.codec.encode(self.rows(4, 10))
        payload[1, :4] = np.frombuffer(np.float32(scale).tobytes(), np.uint8)
        with pytest.raises(CodecError) as caught:
            self.codec.decode(payload, 10)
        assert caught.value.rows == (1,)

    def test_the_largest_scale_decodes_to_finite_values_and_the_next_is_refused(self) -> None:
        payload = self.codec.encode(np.full((1, 5), np.finfo(np.float32).max))
        assert np.isfinite(self.codec.decode(payload, 5)).all()
        beyond = np.nextafter(LARGEST_SCALE, np.float32(np.inf))
        payload[0, :4] = np.frombuffer(beyond.tobytes(), np.uint8)
        with pytest.raises(CodecError):
            self.codec.decode(payload, 5)

    def test_the_level_that_the_encoder_never_writes_is_refused(self) -> None:
        payload = self.codec.encode(self.rows(3, 10))
        payload[2, 7] = 0x80
        with pytest.raises(CodecError) as caught:
            self.codec.decode(payload, 10)
        assert caught.value.rows == (2,)


class TestInt8Blocks(TestInt8):
    codec = Int8Codec(block=16)

    def test_a_large_block_does_not_drown_a_small_one(self) -> None:
        rows = self.rows(3, 32)
        rows[:, :16] *= 1e6
        back = self.through(rows)
        assert np.abs(back[:, 16:] - rows[:, 16:]).max() < 0.02
        assert np.abs(Int8Codec().decode(Int8Codec().encode(rows), 32)[:, 16:]).max() == 0

    def test_block_must_be_positive(self) -> None:
        with pytest.raises(SettingError):
            Int8Codec(block=0)


class TestTopK(CodecContract):
    codec = TopKCodec(fraction=0.05)

    def bound(self, rows: np.ndarray) -> np.ndarray:
        return dropped(rows, 0.05)

    def test_the_largest_are_exact_and_the_rest_zero(self) -> None:
        rows = self.rows(7, 200)
        back = self.through(rows)
        for row, result in zip(rows, back, strict=True):
            top = np.argsort(-np.abs(row))[:10]
            expected = np.zeros_like(row)
            expected[top] = row[top]
            assert np.array_equal(result, expected)

    def test_ties_keep_the_first_positions(self) -> None:
        back = self.through(np.ones((2, 100), np.float32))
        assert np.array_equal(np.flatnonzero(back[0]), np.arange(5))

    @pytest.mark.parametrize("fraction", [0, -0.1, 1.1, float("nan")])
    def test_fraction_is_checked(self, fraction: float) -> None:
        for kind in (TopKCodec, TopKInt8Codec):
            with pytest.raises(SettingError):
                kind(fraction=fraction)

    def test_all_of_it_is_exact(self) -> None:
        rows = self.rows(3, 50)
        codec = TopKCodec(fraction=1.0)
        assert np.array_equal(codec.decode(codec.encode(rows), 50), rows)


class TestTopKInt8(CodecContract):
    codec = TopKInt8Codec(fraction=0.2)

    def bound(self, rows: np.ndarray) -> np.ndarray:
        rounding = np.abs(rows).max(axis=1) / 254 * (1 + 1e-5) + 127 * TINY
        return np.maximum(dropped(rows, 0.2), rounding)

    @pytest.mark.parametrize("d", [1000, 10_000, 100_000])
    def test_ten_times_smaller_with_the_index_counted(self, d: int) -> None:
        assert 4 * d / len(self.codec.encode(self.rows(1, d)).tobytes()) >= 10


@pytest.mark.parametrize(
    ("fraction", "d", "form"), [(0.2, 1000, "bitmap"), (0.01, 1000, "uint16"), (0.01, 70_000, "uint32")]
)
class TestPositions:
    """Every form of the index refuses what does not come from the encoder, and names the row."""

    def payload(self, fraction: float, d: int, form: str) -> tuple[TopKCodec, np.ndarray, int]:
        codec = TopKCodec(fraction=fraction)
        chosen, size = index_form(kept(fraction, d), d)
        assert chosen == form
        rows = np.random.default_rng(1).standard_normal((3, d)).astype(np.float32)
        return codec, codec.encode(rows), size

    def refused(self, codec: TopKCodec, payload: np.ndarray, d: int) -> None:
        with pytest.raises(CodecError) as caught:
            codec.decode(payload, d)
        assert caught.value.rows == (1,)

    def test_all_ones_is_refused(self, fraction: float, d: int, form: str) -> None:
        codec, payload, size = self.payload(fraction, d, form)
        payload[1, :size] = 0xFF
        self.refused(codec, payload, d)

    def test_all_zeros_is_refused(self, fraction: float, d: int, form: str) -> None:
        codec, payload, size = self.payload(fraction, d, form)
        payload[1, :size] = 0
        self.refused(codec, payload, d)

    def test_positions_in_another_order_are_refused(self, fraction: float, d: int, form: str) -> None:
        codec, payload, size = self.payload(fraction, d, form)
        if form == "bitmap":
            payload[1, 0] ^= 1
        else:
            item = 2 if form == "uint16" else 4
            payload[1, :size] = payload[1, :size].reshape(-1, item)[::-1].ravel()
        self.refused(codec, payload, d)


def test_a_bit_past_the_end_of_a_bitmap_is_refused() -> None:
    codec = TopKCodec(fraction=0.5)
    payload = codec.encode(np.array([[1, 2, 3]], np.float32))
    assert index_form(2, 3) == ("bitmap", 1)
    payload[0, 0] = 0b1001
    with pytest.raises(CodecError):
        codec.decode(payload, 3)


def test_names_of_different_layouts_differ() -> None:
    codecs = [
        RawCodec(),
        Int8Codec(),
        Int8Codec(block=64),
        Int8Codec(block=128),
        TopKCodec(fraction=0.1),
        TopKCodec(fraction=0.1 + 1e-12),
        TopKInt8Codec(fraction=0.1),
    ]
    assert len({codec.name for codec in codecs}) == len(codecs)
