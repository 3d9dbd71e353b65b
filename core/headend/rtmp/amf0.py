"""AMF0: how RTMP commands and metadata are written (*Action Message Format -- AMF 0*, Adobe).

======================  ==================================================
AMF0                    Python
======================  ==================================================
number                  `float` (an `int` is written as one)
boolean                 `bool`
string, long string     `str`
object, typed object    `dict` (the class name of a typed object is dropped)
ECMA array              `dict`
strict array            `list`
null                    `None`
undefined, unsupported  `UNDEFINED`
date                    `Date`
XML document            `str`
======================  ==================================================

References, movie clips, record sets and AMF3 values have no place in publishing and are refused.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from headend.rtmp.errors import ProtocolError
from headend.rtmp.limits import Limits

__all__ = ["UNDEFINED", "AmfValue", "Date", "Undefined", "decode", "encode"]


class Undefined(Enum):
    """The type of `UNDEFINED`."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED
"""ActionScript's `undefined`, which is not `null`."""


class Date(NamedTuple):
    """A point in time."""

    milliseconds: float
    """Since 1970-01-01 00:00 UTC."""
    time_zone: int = 0
    """Minutes, reserved by the specification: 0."""


AmfValue: TypeAlias = (
    float | bool | str | Undefined | Date | dict[str, "AmfValue"] | list["AmfValue"] | None
)
"""What can be written and what comes back."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT = 0x00, 0x01, 0x02, 0x03
_NULL, _UNDEFINED, _REFERENCE, _ECMA_ARRAY = 0x05, 0x06, 0x07, 0x08
_OBJECT_END, _STRICT_ARRAY, _DATE, _LONG_STRING = 0x09, 0x0A, 0x0B, 0x0C
_UNSUPPORTED, _XML, _TYPED_OBJECT = 0x0D, 0x0F, 0x10

_DOUBLE: Final = struct.Struct(">d")
_DATE_BODY: Final = struct.Struct(">dh")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_MAX_SHORT: Final = 0xFFFF
_DEFAULT_LIMITS: Final = Limits()


def encode(*values: AmfValue) -> bytes:
    """Write values one behind the other, as in a command message.

    Raises:
        ValueError: a property name longer than 65535 bytes.
    """
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> list[AmfValue]:
    """Read all values of a message body.

    Text that is not UTF-8 is read with replacement characters.

    Raises:
        ProtocolError: cut short, an unknown or refused marker, or a bound in `limits` passed.
    """
    reader = _Reader(data, limits)
    values: list[AmfValue] = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def _write(out: bytearray, value: AmfValue) -> None:
    if isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out.append(_NUMBER)
        out += _DOUBLE.pack(value)
    elif isinstance(value, str):
        text = value.encode()
        short = len(text) <= _MAX_SHORT
        out.append(_STRING if short else _LONG_STRING)
        out += (_U16 if short else _U32).pack(len(text))
        out += text
    elif value is None:
        out.append(_NULL)
    elif isinstance(value, Undefined):
        out.append(_UNDEFINED)
    elif isinstance(value, Date):
        out.append(_DATE)
        out += _DATE_BODY.pack(*value)
    elif isinstance(value, list):
        out.append(_STRICT_ARRAY)
        out += _U32.pack(len(value))
        for element in value:
            _write(out, element)
    else:
        out.append(_OBJECT)
        for name, element in value.items():
            text = name.encode()
            if not 0 < len(text) <= _MAX_SHORT:
                raise ValueError(f"a property name of {len(text)} bytes cannot be written")
            out += _U16.pack(len(text))
            out += text
            _write(out, element)
        out += bytes((0, 0, _OBJECT_END))


class _Reader:
    __slots__ = ("_data", "_limits", "_values", "position")

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._values = 0
        self.position = 0

    def value(self, depth: int) -> AmfValue:
        self._values += 1
        if self._values > self._limits.amf_values:
            raise ProtocolError(f"an AMF message of more than {self._limits.amf_values} values")
        marker = self._take(1)[0]
        if marker == _NUMBER:
            return self._double()
        if marker == _BOOLEAN:
            return self._take(1) != b"\x00"
        if marker == _STRING:
            return self._text(_U16)
        if marker == _NULL:
            return None
        if marker in (_UNDEFINED, _UNSUPPORTED):
            return UNDEFINED
        if marker in (_LONG_STRING, _XML):
            return self._text(_U32)
        if marker == _DATE:
            milliseconds, time_zone = _DATE_BODY.unpack(self._take(_DATE_BODY.size))
            return Date(milliseconds, time_zone)
        if depth >= self._limits.amf_depth:
            raise ProtocolError(f"an AMF value nested deeper than {self._limits.amf_depth}")
        if marker == _OBJECT:
            return self._properties(depth)
        if marker == _ECMA_ARRAY:
            self._take(4)  # the count is a hint only (2.10): the end marker decides
            return self._properties(depth)
        if marker == _TYPED_OBJECT:
            self._text(_U16)
            return self._properties(depth)
        if marker == _STRICT_ARRAY:
            return self._elements(depth)
        raise ProtocolError(f"AMF marker {marker:#04x} is not accepted")

    def _take(self, size: int) -> bytes:
        start = self.position
        taken = self._data[start : start + size]
        if len(taken) != size:
            raise ProtocolError("an AMF value is cut short")
        self.position = start + size
        return taken

    def _double(self) -> float:
        (number,) = _DOUBLE.unpack(self._take(8))
        return float(number)

    def _text(self, length: struct.Struct) -> str:
        (size,) = length.unpack(self._take(length.size))
        return self._take(size).decode("utf-8", "replace")

    def _properties(self, depth: int) -> dict[str, AmfValue]:
        properties: dict[str, AmfValue] = {}
        read = 0
        while True:
            name = self._text(_U16)
            if not name:
                # An empty name comes with the end marker and nowhere else (2.5).
                if self._take(1)[0] != _OBJECT_END:
                    raise ProtocolError("an AMF object has a property without a name")
                return properties
            read += 1
            if read > self._limits.amf_properties:
                raise ProtocolError(
                    f"an AMF object of more than {self._limits.amf_properties} properties"
                )
            properties[name] = self.value(depth + 1)

    def _elements(self, depth: int) -> list[AmfValue]:
        (count,) = _U32.unpack(self._take(4))
        if count > self._limits.amf_array:
            raise ProtocolError(f"an AMF array of more than {self._limits.amf_array} elements")
        return [self.value(depth + 1) for _ in range(count)]
