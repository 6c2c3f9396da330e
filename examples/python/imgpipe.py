"""Pictures of imgpipe's pixel stream as NumPy arrays, so that a few lines of Python are a filter between imgdecode and imgencode.

    import sys, imgpipe
    sys.exit(imgpipe.run(lambda pixels: 255 - pixels))

is all of negative.py:

    imgdecode a.jpg | python3 negative.py | imgencode > b.jpg

The function is given each frame of each picture as an array of height x width x channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; uint8 or
uint16, the full range of either. It gives an array of that kind back, of whatever size and channels. `run` does what imgpipe(5) asks of filters:
metadata goes along, a picture that failed before is handed on as that, an exception of the function fails that picture alone, a stream that is
cut fails the run, and the status is that of the first failure.

For more than that there are the two halves:

    with imgpipe.Writer(sys.stdout.buffer) as out:
        for picture in imgpipe.read(sys.stdin.buffer):
            if not picture.failure:
                print(picture.name, picture.pixels.mean(), file=sys.stderr)
            out.write(picture)

`picture.frames` may be replaced, and `imgpipe.Picture([array], name="x.png")` is one of your own. To look at `pixels` of a picture that failed
raises its failure, and a stream that breaks raises StreamError: nothing half passes for whole.

Good to know: the planes of a JPEG come as RGB. Rows are as stored: `imgdecode --orient apply` where up matters. There are no floats in the stream:
pixels / 255 and back is yours. A picture is held whole. EXIF may hold a thumbnail of what was there before: `imgstrip --keep all --drop thumbnail`.

Needs NumPy alone. One file: copy it where you need it. Apache License 2.0, as imgpipe."""
import dataclasses
import os
import struct
import sys

import numpy as np

HEADER = b"imgpipe1" + bytes(8)
STEP = 1 << 18  # bytes in a record of rows, and the most that is taken at once because a length says so
ONCE = (b"icc_", b"exif", b"xmp_", b"iptc", b"name", b"file")
MAX_PIXELS = 1 << 28  # of all frames of a picture, as imgdecode's limit of one


class StreamError(Exception):
    """The input is no right pixel stream: cut, or against imgpipe(5)."""


class Failure(Exception):
    """A picture that failed: exit status, name, the message, and whether a filter before has said it to the user already."""

    def __init__(self, status, name, message, is_said=True):
        super().__init__(message)
        self.status, self.name, self.message, self.is_said = status, name, message, is_said


@dataclasses.dataclass
class Picture:
    """`frames`: arrays of height x width x channels. `durations`: milliseconds, one a frame. `before` and `behind`: pairs of type and bytes, the
    metadata before and behind the rows (b"exif", b"icc_", b"text" ...). `colour`: primaries and transfer of ITU-T H.273; 2, 2 is not known."""
    frames: list
    name: str = ""
    durations: list = None
    before: list = dataclasses.field(default_factory=list)
    behind: list = dataclasses.field(default_factory=list)
    orientation: int = 1
    source: int = 0
    depth: int = 0
    colour: tuple = (2, 2)
    loop: int = 0
    density: tuple = (0, 0)
    stored: tuple = None  # sides as read, and those before a decoder made it smaller
    failure: Failure = None

    @property
    def pixels(self):
        """The first frame."""
        if self.failure:
            raise self.failure
        return self.frames[0]


# -- Reading

def _take(stream, count, what):
    """Exactly so many bytes; memory is taken as they come."""
    parts = []
    while count:
        part = stream.read(min(count, STEP))
        if not part:
            raise StreamError(f"truncated, in {what}")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _records(stream):
    if _take(stream, 16, "the header") != HEADER:
        raise StreamError("not a pixel stream; put imgdecode before it")
    while True:
        kind, zero, length = struct.unpack("<4sIQ", _take(stream, 16, "a record's head"))
        if zero or not kind.replace(b"_", b"a").isalpha() or kind[:1] == b"_":
            raise StreamError("malformed record")
        if kind in (b"IMAG", b"FRAM", b"ENDI", b"DONE") and length != (48 if kind == b"IMAG" else 16) or kind == b"FAIL" and length > 1 << 20:
            raise StreamError(f"{kind.decode()} of {length} bytes")
        payload = _take(stream, length, kind.decode())
        if any(_take(stream, -length % 16, "padding")):
            raise StreamError("padding is not zero")
        yield kind, payload


class _Reading:
    """A picture on its way: its IMAG, and the bytes of its frames."""

    def __init__(self, payload):
        (self.width, self.height, self.model, self.alpha, self.sample, subsampling, self.layout, orientation, source, depth, primaries, transfer,
         matrix, span, self.count, loop, *density, full_width, full_height, zero) = struct.unpack("<II12B7I", payload)
        self.h, self.v = subsampling >> 4, subsampling & 15
        planar = self.layout == 2
        if (zero or not self.width or not self.height or self.model not in (1, 2, 3) or self.alpha > 2 or self.sample not in (1, 2)
                or self.layout not in (1, 2) or subsampling not in ((0x11, 0x21, 0x22, 0x12, 0x41) if planar else (0x11,)) or source > 4
                or planar and (self.model != 3 or self.alpha) or not 1 <= orientation <= 8 or not 1 <= depth <= 16 or not primaries or not transfer
                or matrix != (5 if self.model == 3 else 0) or span != 1 or full_width < self.width or full_height < self.height):
            raise StreamError("IMAG with a value that there is not")
        self.channels = (1 if self.model == 1 else 3) + (self.alpha > 0)
        self.chroma = -(-self.width // self.h)
        self.bands = -(-self.height // self.v)
        samples = self.width * self.height * self.channels if not planar else self.width * self.height + 2 * self.bands * self.chroma
        self.frame_bytes, self.frames, self.durations, self.bytes = samples * self.sample, [], [], 0
        self.picture = Picture([], orientation=orientation, source=source, depth=depth, colour=(primaries, transfer), loop=loop, density=tuple(density),
                               stored=(self.width, self.height, full_width, full_height))

    @property
    def is_over(self):
        return self.width * self.height * max(self.count, len(self.durations), 1) > MAX_PIXELS

    @property
    def is_between(self):
        """No row of a frame is missing."""
        return self.bytes == self.frame_bytes * len(self.durations)

    def metadata(self, kind, payload):
        if not self.is_between:
            raise StreamError("metadata among rows")
        place = self.picture.behind if self.durations else self.picture.before
        if kind in ONCE and kind in [each[0] for each in self.picture.before + self.picture.behind] or kind == b"name" and b"\0" in payload:
            raise StreamError(f"{kind.decode()} twice, or wrong")
        if kind == b"name":
            self.picture.name = os.fsdecode(payload)
        place.append((kind, payload))

    def frame(self, payload):
        if not self.is_between or any(payload[4:]) or self.durations and self.picture.behind:
            raise StreamError("FRAM out of order")
        self.durations.append(int.from_bytes(payload[:4], "little"))
        self.frames.append(bytearray())

    def rows(self, payload):
        """A whole number of bands; the last one of planes may be short."""
        luma, chroma = self.width * self.sample, 2 * self.chroma * self.sample
        band = self.v * luma + chroma if self.layout == 2 else luma * self.channels
        self.bytes += len(payload)
        if not payload or self.bytes > self.frame_bytes * len(self.durations) or not self.is_between and len(payload) % band:
            raise StreamError("ROWS that are no rows of this picture")
        if not self.is_over:
            self.frames[-1] += payload

    def end(self, payload):
        count = len(self.durations)
        if not count or not self.is_between or struct.unpack("<QQ", payload) != (self.height * count, self.bytes) or self.count not in (0, count):
            raise StreamError("ENDI does not fit what came")
        if self.is_over:
            self.picture.failure = Failure(65, self.picture.name, f"over the limit of {MAX_PIXELS} pixels", is_said=False)
        else:
            self.picture.frames, self.picture.durations = [self.array(frame) for frame in self.frames], self.durations
        return self.picture

    def array(self, data):
        samples = np.frombuffer(data, "<u2" if self.sample == 2 else "u1")
        top = 65535 if self.sample == 2 else 255
        if self.layout == 2:
            samples = self.join(samples)
        pixels = samples.reshape(self.height, self.width, self.channels)
        if self.model == 3:
            y, cb, cr = (np.float32(pixels[..., i]) for i in range(3))
            cb, cr = cb - (top + 1) / 2, cr - (top + 1) / 2  # JFIF
            rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
            pixels = np.concatenate([np.clip(np.rint(rgb), 0, top).astype(samples.dtype), pixels[..., 3:]], -1)
        if self.alpha == 2:
            alpha = np.maximum(pixels[..., -1:], 1).astype(np.float32)
            straight = np.clip(np.rint(pixels[..., :-1] * (top / alpha)), 0, top).astype(samples.dtype)
            pixels = np.concatenate([straight, pixels[..., -1:]], -1)
        return pixels

    def join(self, samples):
        """Planes in bands to pixels of Y, Cb and Cr, chroma interpolated."""
        band, lumas, chromas, at = self.v * self.width, [], [], 0
        for row in range(0, self.height, self.v):
            band = min(self.v, self.height - row) * self.width
            lumas.append(samples[at:at + band])
            chromas.append(samples[at + band:at + band + 2 * self.chroma].reshape(2, -1))
            at += band + 2 * self.chroma
        planes = np.float32(np.stack(chromas, 1))
        for axis, factor, length in ((1, self.v, self.height), (2, self.h, self.width)):
            # A sample of chroma lies in the middle of those of luma that share it.
            place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, planes.shape[axis] - 1)
            low = place.astype(int)
            share = np.float32(place - low).reshape([-1 if i == axis else 1 for i in range(3)])
            planes = np.take(planes, low, axis) * (1 - share) + np.take(planes, np.minimum(low + 1, planes.shape[axis] - 1), axis) * share
        luma = np.concatenate(lumas).reshape(self.height, self.width)
        return np.stack([luma, *np.rint(planes).astype(samples.dtype)], -1)


def _is_control(character):
    return character < " " or "\x7f" <= character < "\xa0"


def _failure(payload):
    status, length = struct.unpack("<II", payload[:8]) if len(payload) > 8 else (0, 0)
    name, message = payload[8:8 + length], payload[8 + length:]
    try:
        message = message.decode()
    except UnicodeDecodeError:
        message = ""
    if status != 1 and not 64 <= status <= 78 or not message or any(map(_is_control, message)):
        raise StreamError("malformed FAIL")
    return Failure(status, os.fsdecode(name), message)


def read(stream):
    """Each picture of a binary stream, those that failed too. Ends by itself only where the stream was whole."""
    reading, counts = None, [0, 0]
    for kind, payload in _records(stream):
        if kind in (b"IMAG", b"DONE") and reading or kind not in (b"IMAG", b"DONE", b"FAIL") and not reading:
            raise StreamError(f"{kind.decode()} out of order")
        if kind == b"IMAG":
            reading = _Reading(payload)
        elif kind == b"FRAM":
            reading.frame(payload)
        elif kind == b"ROWS":
            reading.rows(payload)
        elif kind == b"ENDI":
            counts[0] += 1
            picture, reading = reading.end(payload), None
            yield picture
        elif kind == b"FAIL":
            counts[1] += 1
            failure, reading = _failure(payload), None
            yield Picture([], name=failure.name, failure=failure)
        elif kind == b"DONE":
            if list(struct.unpack("<QQ", payload)) != counts or stream.read(1):
                raise StreamError("DONE does not fit what came")
            return
        elif kind[:1].islower():
            reading.metadata(kind, payload)
        else:
            raise StreamError(f"{kind.decode()} is not known here")


# -- Writing

class Writer:
    """Writes pictures, and the stream's end when the block is left; an exception in it becomes the FAIL that imgpipe(5) wants, and goes on."""

    def __init__(self, stream):
        self.stream, self.counts, self.status = stream, [0, 0], 0
        stream.write(HEADER)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is BrokenPipeError:
            return
        if kind:
            self.fail(65 if kind is StreamError else 70, "", str(error) or kind.__name__)
        self._record(b"DONE", struct.pack("<QQ", *self.counts))
        self.stream.flush()

    def _record(self, kind, payload):
        self.stream.write(struct.pack("<4sIQ", kind, 0, len(payload)))
        self.stream.write(payload)
        self.stream.write(bytes(-len(payload) % 16))

    def fail(self, status, name, message):
        """A picture that is not there, and why."""
        name = os.fsencode(name)
        line = "".join(" " if _is_control(c) else c for c in message) or "failed"
        self._record(b"FAIL", struct.pack("<II", status, len(name)) + name + line[:1000].encode(errors="replace"))
        self.counts[1] += 1
        self.status = self.status or status

    def write(self, picture):
        """One picture with its metadata; of one that failed, the failure."""
        if picture.failure:
            self.fail(picture.failure.status, picture.failure.name, picture.failure.message)
            return
        frames = [np.asarray(frame) if np.ndim(frame) == 3 else np.asarray(frame)[..., np.newaxis] for frame in picture.frames]
        shape, kind = frames[0].shape, frames[0].dtype
        if any(frame.shape != shape or frame.dtype != kind or frame.ndim != 3 for frame in frames) or not 1 <= shape[2] <= 4 or not min(shape[:2]):
            raise TypeError(f"frames of {shape}: height, width and 1 to 4 channels, alike in all frames")
        if kind not in (np.uint8, np.uint16):
            raise TypeError(f"samples are uint8 or uint16, not {kind}")
        height, width, channels = shape
        stored = picture.stored if picture.stored and picture.stored[:2] == (width, height) else (width, height, width, height)
        sample = kind.itemsize
        self._record(b"IMAG", struct.pack(
            "<II12B7I", width, height, 1 if channels < 3 else 2, 1 - channels % 2, sample, 0x11, 1, picture.orientation, picture.source,
            picture.depth or 8 * sample, *picture.colour, 0, 1, len(frames), picture.loop, *picture.density, *stored[2:], 0))
        before = picture.before
        if picture.name and not any(each == b"name" for each, _ in before):
            before = [(b"name", os.fsencode(picture.name))] + before
        self._metadata(before, channels)
        for frame, duration in zip(frames, picture.durations or [0] * len(frames)):
            self._record(b"FRAM", struct.pack("<I12x", duration))
            band = max(1, STEP // (width * channels * sample))
            for row in range(0, height, band):
                self._record(b"ROWS", frame[row:row + band].astype(kind.newbyteorder("<"), copy=False).tobytes())
        self._metadata(picture.behind, channels)
        self._record(b"ENDI", struct.pack("<QQ", height * len(frames), sum(frame.nbytes for frame in frames)))
        self.counts[0] += 1

    def _metadata(self, records, channels):
        for kind, payload in records:
            # A profile is of one colour space, and goes where the pixels are of another now.
            if kind == b"icc_" and payload[16:20] != (b"GRAY" if channels < 3 else b"RGB "):
                continue
            # The file that the pixels came from is not what they are any more.
            self._record(kind, b"" if kind == b"file" else payload)


def run(function, stream=None, out=None):
    """A filter: what `function` makes of each frame, from standard input to standard output. The status to exit with."""
    stream, out = stream or sys.stdin.buffer, out or sys.stdout.buffer

    def say(name, message):
        print(": ".join(part for part in (os.path.basename(sys.argv[0]), name, message) if part), file=sys.stderr)

    try:
        with Writer(out) as writer:
            for picture in read(stream):
                try:
                    picture.frames = [function(frame) for frame in picture.frames]
                    writer.write(picture)
                except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                    picture.failure = Failure(70, picture.name, str(error) or type(error).__name__, is_said=False)
                    writer.write(picture)
                if picture.failure and not picture.failure.is_said:
                    say(picture.name, str(picture.failure))
    except StreamError as error:
        say("", str(error))
    except BrokenPipeError:
        # Nobody reads any more: nor shall Python complain of that when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 74
    return writer.status
