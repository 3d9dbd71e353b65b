"""The picture that simulated encoders send: H.264 that any player decodes, made without a codec.

It is one macroblock, 16 by 16 pixels, whose samples are sent as they are (I_PCM), so that each
frame stands alone.  Paragraphs are those of ITU-T H.264, of ISO/IEC 14496-15 for the decoder
configuration, and of the *Adobe Flash Video File Format Specification*, version 10.1, annex E, for
the tags around them.
"""

from __future__ import annotations

from typing import Final

from headend.rtmp.flv import VIDEO, Tag

_SIDE: Final = 16
"""Pixels of a macroblock's side; the two planes of colour have half of that."""

_SPS: Final = 7
_PPS: Final = 8
_IDR: Final = 5
_INTRA_ONLY: Final = 7
_I_PCM: Final = 25
_BASELINE: Final = 66
_LEVEL: Final = 10

_DARKEST: Final = 16
_BRIGHTEST: Final = 235
_NO_COLOUR: Final = 128

_FILLER: Final = b"\x0c" + b"\xff" * 2400 + b"\x80"
"""A unit that decoders drop (7.3.2.7): without it a show has fewer bits than a telephone call."""


class _Bits:
    """Writes the syntax elements of a NAL unit (7.2, 9.1)."""

    def __init__(self) -> None:
        self._bits = ""

    def u(self, size: int, value: int) -> _Bits:
        self._bits += f"{value:0{size}b}"
        return self

    def ue(self, value: int) -> _Bits:
        digits = f"{value + 1:b}"
        self._bits += "0" * (len(digits) - 1) + digits
        return self

    def samples(self, values: bytes) -> _Bits:
        """Write whole bytes behind alignment bits."""
        self._bits += "0" * (-len(self._bits) % 8)
        self._bits += "".join(f"{value:08b}" for value in values)
        return self

    def unit(self, kind: int) -> bytes:
        """Return a NAL unit of that type.  Nothing here needs emulation prevention (7.4.1)."""
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        body = int(bits, 2).to_bytes(len(bits) // 8, "big")
        return bytes((3 << 5 | kind,)) + body


def _sequence_parameter_set() -> bytes:
    bits = _Bits().u(8, _BASELINE).u(8, 0).u(8, _LEVEL)
    bits.ue(0)  # seq_parameter_set_id
    bits.ue(0)  # log2_max_frame_num_minus4
    bits.ue(2)  # pic_order_cnt_type: pictures are shown as they are decoded
    bits.ue(0)  # max_num_ref_frames
    bits.u(1, 0)  # gaps_in_frame_num_value_allowed_flag
    bits.ue(0).ue(0)  # one macroblock wide, one high
    bits.u(1, 1)  # frame_mbs_only_flag
    bits.u(1, 1)  # direct_8x8_inference_flag
    return bits.u(1, 0).u(1, 0).unit(_SPS)  # no cropping, no further information


def _picture_parameter_set() -> bytes:
    bits = _Bits().ue(0).ue(0)  # ids of this and of the sequence's
    bits.u(1, 0)  # entropy_coding_mode_flag: CAVLC
    bits.u(1, 0)  # bottom_field_pic_order_in_frame_present_flag
    bits.ue(0)  # num_slice_groups_minus1
    bits.ue(0).ue(0)  # reference indices
    bits.u(1, 0).u(2, 0)  # no weighted prediction
    bits.ue(0).ue(0).ue(0)  # quantisation
    return bits.u(1, 0).u(1, 0).u(1, 0).unit(_PPS)


def _slice(number: int) -> bytes:
    brightness = _DARKEST + number * 8 % (_BRIGHTEST - _DARKEST)
    bits = _Bits().ue(0).ue(_INTRA_ONLY).ue(0)
    bits.u(4, 0)  # frame_num
    bits.ue(number % 2)  # idr_pic_id: differs from that of the picture before
    bits.u(1, 0).u(1, 0)  # dec_ref_pic_marking
    bits.ue(0)  # slice_qp_delta
    bits.ue(_I_PCM)
    luma, colour = _SIDE * _SIDE, 2 * (_SIDE // 2) ** 2
    return bits.samples(bytes((brightness,)) * luma + bytes((_NO_COLOUR,)) * colour).unit(_IDR)


def configuration() -> Tag:
    """Return the tag that tells how to decode the frames (ISO/IEC 14496-15, 5.3.3.1.2)."""
    sps, pps = _sequence_parameter_set(), _picture_parameter_set()
    record = bytes((1, _BASELINE, 0, _LEVEL, 0xFF, 0xE1))
    record += len(sps).to_bytes(2, "big") + sps
    record += b"\x01" + len(pps).to_bytes(2, "big") + pps
    return Tag(VIDEO, 0, b"\x17\x00\x00\x00\x00" + record)


def frame(number: int, milliseconds: int) -> Tag:
    """Return a frame; each is a little brighter than the one before, and starts over.

    Args:
        number: its place among the frames of a push, from 0.
        milliseconds: when it is shown, from the start of the push.
    """
    units = (_slice(number), _FILLER)
    body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    return Tag(VIDEO, milliseconds, b"\x17\x01\x00\x00\x00" + body)
