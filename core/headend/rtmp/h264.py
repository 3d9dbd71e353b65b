"""The picture size in an H.264 sequence parameter set (ITU-T H.264, 7.3.2.1.1)."""

from __future__ import annotations

from typing import Final

from headend.rtmp.bits import BitReader

__all__ = ["SpsError", "picture_size"]

# Profiles whose parameter set tells the chroma format and may hold scaling lists (7.3.2.1.1).
_HIGH_PROFILES: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_NAL_TYPE_SPS: Final = 7
_MAX_SIDE: Final = 16384  # pixels; level 6.2 ends at 139264 macroblocks, 16384 x 2176
_MACROBLOCK: Final = 16  # pixels
_CHROMA_420: Final = 1
_CHROMA_444: Final = 3


class SpsError(ValueError):
    """A sequence parameter set that does not follow its syntax."""


def picture_size(sps: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels, after cropping, of the SPS NAL unit `sps`.

    Raises:
        SpsError: not a sequence parameter set, cut short, or a size that cannot be.
    """
    if len(sps) < 4 or sps[0] & 0x1F != _NAL_TYPE_SPS:
        raise SpsError("not a sequence parameter set")
    # Emulation prevention: 00 00 03 in a NAL unit stands for 00 00 (7.4.1).
    bits = BitReader(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    try:
        width, height = _read(bits)
    except ValueError as error:
        raise SpsError(f"unreadable sequence parameter set: {error}") from error
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise SpsError(f"the sequence parameter set gives a picture of {width}x{height} pixels")
    return width, height


def _read(bits: BitReader) -> tuple[int, int]:
    profile = bits.u(8)
    bits.u(16)  # constraint flags, level
    bits.ue()  # seq_parameter_set_id
    chroma = _CHROMA_420
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma > _CHROMA_444:
            raise SpsError(f"chroma_format_idc is {chroma}")
        if chroma == _CHROMA_444:
            bits.u(1)  # separate_colour_plane_flag
        bits.ue()  # bit_depth_luma_minus8
        bits.ue()  # bit_depth_chroma_minus8
        bits.u(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.u(1):  # seq_scaling_matrix_present_flag
            for index in range(12 if chroma == _CHROMA_444 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.u(1)  # gaps_in_frame_num_value_allowed_flag
    width = (bits.ue() + 1) * _MACROBLOCK
    map_units = bits.ue() + 1
    frames_only = bits.u(1)
    # A map unit is a macroblock high in a frame and two high where fields may occur (7-18).
    height = map_units * _MACROBLOCK * (2 - frames_only)
    if not frames_only:
        bits.u(1)  # mb_adaptive_frame_field_flag
    bits.u(1)  # direct_8x8_inference_flag
    if bits.u(1):  # frame_cropping_flag
        # Table 6-1 and equations 7-19 to 7-22: crop offsets count chroma samples.
        subsampled_x = chroma in (1, 2)
        subsampled_y = chroma == _CHROMA_420
        unit_x = 2 if subsampled_x else 1
        unit_y = (2 if subsampled_y else 1) * (2 - frames_only)
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    return width, height


def _skip_picture_order(bits: BitReader) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.u(1)  # delta_pic_order_always_zero_flag
        bits.se()  # offset_for_non_ref_pic
        bits.se()  # offset_for_top_to_bottom_field
        cycle = bits.ue()
        if cycle > 255:
            raise SpsError(f"num_ref_frames_in_pic_order_cnt_cycle is {cycle}")
        for _ in range(cycle):
            bits.se()
    elif kind != 2:
        raise SpsError(f"pic_order_cnt_type is {kind}")


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    # 7.3.2.1.1.1: after a next scale of 0 the rest of the list is not sent.
    scale = 8
    for _ in range(size):
        scale = (scale + bits.se()) % 256
        if not scale:
            return
