"""Where media comes from: files, addresses, the test picture, standard input."""

from __future__ import annotations

import errno
import ssl
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from headend.push.copying import copied, shape_of
from headend.push.errors import SourceError
from headend.push.fitting import fitted
from headend.push.input import Input, reason_of
from headend.push.pyav import av

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from headend.encoding import StreamShape
    from headend.presets import EncodingPreset
    from headend.rtmp.flv import Tag

    Frame = av.VideoFrame | av.AudioFrame

__all__ = [
    "CodedSource",
    "FileSource",
    "MediaSource",
    "PipeSource",
    "UrlSource",
    "open_source",
]

_WEB: Final = "http,https,tcp,tls,crypto,data,hls"
_PROTOCOLS: Final = {
    "http": _WEB,
    "https": _WEB,
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls,srtp,crypto",
}
_TLS: Final = frozenset({"https", "rtmps", "rtsps"})


class MediaSource(Protocol):
    """Gives raw frames that fit a preset, as fast as they are asked for."""

    def frames(self, preset: EncodingPreset) -> Iterator[Frame]:
        """Give video and audio in turn: a video frame, then the sound of its duration.

        Video is yuv420p in the preset's size, BT.709 in limited range, with `pts` 0, 1, 2 …
        in units of 1/`frame_rate` s; audio is fltp stereo at the preset's sample rate with
        `pts` counting samples from 0, without gaps.  It stops when the source is at its end.
        """
        ...


@runtime_checkable
class CodedSource(Protocol):
    """A source that is coded already, so that it may go as it is."""

    def shape(self) -> StreamShape:
        """Return how it is coded."""
        ...

    def tags(self) -> Iterator[Tag]:
        """Give it as FLV tags, in the order of sending, time stamps in milliseconds from 0."""
        ...


class FileSource:
    """A video file, fitted to the preset.

    The picture keeps its aspect ratio and gets black bars where it does not fill; rotation
    and oblong pixels are made upright and square.  Frames are repeated or left out for a
    constant frame rate.  Sound is resampled; where there is none there is silence, and it is
    cut or filled to the length of the video.

    Args:
        path: the file, in any format that PyAV reads.
        loop: begin again at the end, without a break, for ever.

    Raises:
        SourceError: the file is missing, is no media, or has no video.
    """

    def __init__(self, path: str | os.PathLike[str], *, loop: bool = False) -> None:
        self._path = Path(path)
        self._loop = loop
        if not self._path.is_file():
            raise SourceError(f"there is no file {self._path}")
        self._open().close()

    def frames(self, preset: EncodingPreset) -> Iterator[Frame]:
        """Give frames as `headend.push.MediaSource` describes.

        Raises:
            SourceError: the file cannot be read any more, or not one frame can be decoded.
        """
        number = 0
        while True:
            first = number
            # Read twice, so that each track is decoded only as far as it is needed, however
            # the file interleaves them.
            with self._open() as for_video, self._open() as for_audio:
                found = fitted(
                    for_video.pictures(), for_audio.sound(), for_video.video, preset, first
                )
                for frame in found:
                    yield frame
                    number += isinstance(frame, av.VideoFrame)
            if number == first:
                raise SourceError(f"not one frame of {self._path.name} can be decoded")
            if not self._loop:
                return

    def shape(self) -> StreamShape:
        """Return how it is coded, from its first 30 s."""
        with self._open() as source:
            return shape_of(source)

    def tags(self) -> Iterator[Tag]:
        """Give it as FLV tags, bit by bit as it is, from its first key frame."""
        passes = 0

        def next_pass() -> Input | None:
            nonlocal passes
            passes += 1
            return self._open() if self._loop or passes == 1 else None

        return copied(next_pass)

    def _open(self) -> Input:
        try:
            container = av.open(str(self._path.resolve()), "r")
        except (av.error.FFmpegError, OSError) as error:
            reason = error.strerror or str(error)
            raise SourceError(f"{self._path.name} cannot be read as media: {reason}") from error
        return Input(container, self._path.name)


class _OpenedOnce:
    """What comes over a network or through a pipe: read in one pass, opened when made."""

    def __init__(self) -> None:
        self._opened: Input | None = self._open()
        self._passes = 0

    def _open(self) -> Input:
        raise NotImplementedError

    def _again(self) -> bool:
        return False

    def _next_pass(self) -> Input | None:
        self._passes += 1
        if self._passes > 1 and not self._again():
            return None
        source, self._opened = self._opened, None
        return source or self._open()

    def frames(self, preset: EncodingPreset) -> Iterator[Frame]:
        """Give frames as `headend.push.MediaSource` describes.

        Raises:
            SourceError: nothing comes any more, or not one frame can be decoded.
        """
        number = 0
        while (source := self._next_pass()) is not None:
            first = number
            with source:
                pictures, sound = source.together()
                for frame in fitted(pictures, sound, source.video, preset, first):
                    yield frame
                    number += isinstance(frame, av.VideoFrame)
            if number == first:
                raise SourceError("not one frame of the source can be decoded")

    def shape(self) -> StreamShape:
        """Return how it is coded, as far as that is known without waiting: no measured figures."""
        if self._opened is None:
            raise SourceError("the source is being read already")
        return shape_of(self._opened, scan=False)

    def tags(self) -> Iterator[Tag]:
        """Give it as FLV tags, bit by bit as it is, from its first key frame."""
        return copied(self._next_pass)

    def close(self) -> None:
        """Close it, if nobody has begun to read it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class UrlSource(_OpenedOnce):
    """Video from an address: a file by HTTP, HLS, an RTSP camera, a live stream by RTMP.

    Certificates of ``https``, ``rtmps`` and ``rtsps`` are verified; not those of the segments of
    HLS, for which FFmpeg has no way to be told.  Frames are fitted as those of a `FileSource` are.

    Args:
        url: ``http``, ``https``, ``rtsp``, ``rtsps``, ``rtmp`` or ``rtmps``; it may hold
            credentials, which are never shown.
        loop: open it again whenever it ends.
        timeout: seconds to open it, and seconds without anything new after which it is given up.

    Raises:
        SourceError: nothing is there, it is no media, or it has no video.
    """

    def __init__(self, url: str, *, loop: bool = False, timeout: float = 15.0) -> None:
        self._url = url
        self._loop = loop
        self._timeout = timeout
        self._shown, self._scheme = _shown(url)
        super().__init__()

    def __repr__(self) -> str:
        return f"UrlSource({self._shown})"

    def _again(self) -> bool:
        return self._loop

    def _open(self) -> Input:
        options = {"protocol_whitelist": _PROTOCOLS[self._scheme]}
        if self._scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # UDP loses packets, and routers lose UDP
        if self._scheme in _TLS:
            options["tls_verify"] = "1"
            authorities = ssl.get_default_verify_paths().cafile
            if authorities:
                options["ca_file"] = authorities
        try:
            container = av.open(
                self._url, "r", options=options, timeout=(self._timeout, self._timeout)
            )
        except (av.error.FFmpegError, OSError) as error:
            # The error of PyAV holds the address, and with it whatever is secret in there.
            reason = reason_of(error)
            if self._scheme in _TLS and isinstance(error, OSError) and error.errno == errno.EIO:
                reason += ", which is all that is told of a certificate that is not trusted"
            raise SourceError(f"{self._shown} cannot be opened: {reason}") from None
        return Input(container, self._shown)


class PipeSource(_OpenedOnce):
    """Video that another program writes: Matroska, MPEG-TS, FLV or any other format for pipes.

    Args:
        pipe: an open binary file; it is not closed.
        name: how it is called in errors.

    Raises:
        SourceError: it is no media, has no video, or is of a format that cannot be piped.
    """

    def __init__(self, pipe: IO[bytes], name: str = "standard input") -> None:
        self._pipe = _ReadOnly(pipe)
        self._name = name
        super().__init__()

    def _open(self) -> Input:
        try:
            container = av.open(self._pipe, "r")
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"{self._name} cannot be read as media: {reason_of(error)}; "
                "Matroska, MPEG-TS and FLV can be piped, MP4 mostly not"
            ) from None
        return Input(container, self._name)


class _ReadOnly:
    """A pipe for PyAV, which would try to seek in what has a method for it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        # What is there is taken at once: a live picture must not wait for a full buffer.
        self._read = getattr(pipe, "read1", pipe.read)

    def read(self, size: int) -> bytes:
        data: bytes = self._read(size)
        return data


def _shown(url: str) -> tuple[str, str]:
    """Return an address without what may be secret in it, and its scheme."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SourceError("the address of the source cannot be read") from None
    if parts.scheme not in _PROTOCOLS:
        raise SourceError(
            f"sources at addresses are {', '.join(_PROTOCOLS)}; {parts.scheme}:// is not known"
        )
    if not host:
        raise SourceError(f"the address of the source, {parts.scheme}://…, names no host")
    shown = f"[{host}]" if ":" in host else host
    # A path may be a stream key, and a query a token.
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}/…", parts.scheme


def open_source(text: str, *, loop: bool = False, timeout: float = 15.0) -> MediaSource:
    """Open what a person calls a source.

    Args:
        text: ``test`` for the test picture, ``-`` for standard input, an address with ``://``,
            or the path of a file; a file named ``test`` is ``./test``.
        loop: begin again at the end, for ever; an address is opened again.
        timeout: seconds to wait for what comes over a network.

    Raises:
        SourceError: there is nothing, it is no media, or it has no video.
    """
    if text == "test":
        from headend.push.pattern import PatternSource

        return PatternSource()
    if text == "-":
        if loop:
            raise SourceError("standard input cannot be looped: it comes once")
        return PipeSource(sys.stdin.buffer)
    if "://" in text:
        return UrlSource(text, loop=loop, timeout=timeout)
    return FileSource(text, loop=loop)
