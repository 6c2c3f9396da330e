"""Reads imgpipe's pixel stream (imgpipe(5), version 1) for the tests beside it. It shares no code with the tools.

    for picture in pictures(file): ...

yields every picture of the stream in order, whole or failed, and raises StreamError where the stream breaks its rules:
so a loop that ends by itself has seen a right stream up to DONE and the end of the file. imgpipe-check holds the finer
rules (reserved bits, allowed values) against a stream; here are those that pixels depend on.
"""
import collections
import struct

HEADER = b"imgpipe1" + bytes(8)
STEP = 1 << 18
METADATA = {"icc_", "exif", "xmp_", "iptc", "text", "name", "dmge", "file"}

Info = collections.namedtuple(
    "Info", "width height model alpha sample subsampling layout orientation source depth colour frames loop "
            "density_x density_y full_width full_height")
Failure = collections.namedtuple("Failure", "status name message")


class StreamError(Exception):
    """The bytes are no right pixel stream; the message says where."""


class Picture:
    """A picture of the stream. `info` is None where it failed before its IMAG; `failure` is None where it is whole.
    `frames` holds the pixel bytes of each frame kept, `frame_count` counts all; `metadata` is (type, payload) pairs."""

    def __init__(self, info=None):
        self.info, self.failure = info, None
        self.frames, self.frame_count, self.pixel_bytes, self.metadata = [], 0, 0, []

    @property
    def name(self):
        """The name bytes as the system gave them, b"" where there is none."""
        if self.failure and self.failure.name:
            return self.failure.name
        return next((payload for kind, payload in self.metadata if kind == "name"), b"")

    @property
    def channels(self):
        return (1 if self.info.model == 1 else 3) + (self.info.alpha != 0)

    @property
    def frame_bytes(self):
        """Pixel bytes of a whole frame."""
        i = self.info
        if i.layout == 1:
            return i.width * i.height * self.channels * i.sample
        h, v = i.subsampling >> 4, i.subsampling & 15
        return (i.width * i.height + 2 * -(-i.width // h) * -(-i.height // v)) * i.sample


class Records:
    """The records of a stream: `next()` gives type and payload, padding taken and checked."""

    def __init__(self, file):
        self.file, self.at = file, 0
        if self.take(16, "the header") != HEADER:
            raise StreamError("not a pixel stream")

    def take(self, count, what):
        parts = []
        while count:
            part = self.file.read(min(count, STEP))
            if not part:
                raise StreamError(f"truncated at byte {self.at}, in {what}")
            self.at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)

    def next(self):
        kind, zero, length = struct.unpack("<4sIQ", self.take(16, "a record header"))
        if zero or not kind.replace(b"_", b"a").isalpha():
            raise StreamError(f"record header {kind!r} at byte {self.at - 16}")
        payload = self.take(length, kind.decode())
        if any(self.take(-length % 16, "padding")):
            raise StreamError(f"padding is not zero before byte {self.at}")
        return kind.decode(), payload


def parse_info(payload):
    if len(payload) != 48:
        raise StreamError(f"IMAG of {len(payload)} bytes")
    *fields, reserved = struct.unpack("<II8B4s7I", payload)
    if reserved:
        raise StreamError("IMAG: reserved bytes")
    return Info(*fields)


def parse_failure(payload):
    if len(payload) < 8:
        raise StreamError(f"FAIL of {len(payload)} bytes")
    status, length = struct.unpack("<II", payload[:8])
    name, message = payload[8:8 + length], payload[8 + length:]
    if len(name) != length or not message or b"\n" in message:
        raise StreamError(f"FAIL {payload!r}")
    try:
        return Failure(status, name, message.decode())
    except UnicodeDecodeError:
        raise StreamError(f"FAIL {payload!r}") from None


def take_rows(picture, payload, keep_frames):
    if not picture.frame_count or not payload:
        raise StreamError("ROWS before FRAM, or empty")
    picture.pixel_bytes += len(payload)
    if picture.pixel_bytes > picture.frame_bytes * picture.frame_count:
        raise StreamError("more rows than the picture has")
    if keep_frames is None or picture.frame_count <= keep_frames:
        picture.frames[-1] += payload


def start_frame(picture, keep_frames):
    if picture.pixel_bytes != picture.frame_bytes * picture.frame_count:
        raise StreamError("a frame ends before its last row")
    picture.frame_count += 1
    if keep_frames is None or picture.frame_count <= keep_frames:
        picture.frames.append(bytearray())


def parse_counts(kind, payload):
    if len(payload) != 16:
        raise StreamError(f"{kind} of {len(payload)} bytes")
    return struct.unpack("<QQ", payload)


def end_picture(picture, payload):
    rows, size = parse_counts("ENDI", payload)
    count = picture.frame_count
    if not count or size != picture.pixel_bytes or size != picture.frame_bytes * count or rows != picture.info.height * count:
        raise StreamError(f"ENDI says {rows} rows of {size} bytes, the picture held {count} frames of {picture.pixel_bytes} bytes")
    if picture.info.frames not in (0, count):
        raise StreamError(f"{count} frames, IMAG said {picture.info.frames}")


def end_stream(records, payload, whole, failed):
    if parse_counts("DONE", payload) != (whole, failed):
        raise StreamError(f"DONE says {parse_counts('DONE', payload)}, the stream held {(whole, failed)}")
    if records.file.read(1):
        raise StreamError("bytes after DONE")


def pictures(file, keep_frames=None):
    """Yields the pictures of the stream in `file`. Pixels are kept of the first `keep_frames` frames of each (None: all)."""
    records, picture, whole, failed = Records(file), None, 0, 0
    while True:
        kind, payload = records.next()
        if kind in ("DONE", "IMAG") and picture:
            raise StreamError(f"{kind} inside a picture")
        if kind not in ("DONE", "IMAG", "FAIL") and not picture:
            raise StreamError(f"{kind} outside a picture")
        if kind == "DONE":
            end_stream(records, payload, whole, failed)
            return
        if kind == "IMAG":
            picture = Picture(parse_info(payload))
        elif kind == "FRAM":
            start_frame(picture, keep_frames)
        elif kind == "ROWS":
            take_rows(picture, payload, keep_frames)
        elif kind == "ENDI":
            end_picture(picture, payload)
            whole += 1
            yield picture
            picture = None
        elif kind == "FAIL":
            picture = picture or Picture()
            picture.failure = parse_failure(payload)
            failed += 1
            yield picture
            picture = None
        elif kind in METADATA:
            picture.metadata.append((kind, payload))
        else:
            raise StreamError(f"unknown record {kind} at byte {records.at}")
