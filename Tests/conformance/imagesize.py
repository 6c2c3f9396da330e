"""What the headers of JPEG, PNG and WebP files say, for the tests beside it. It shares no code with the tools, and trusts
the files: they are photographs of packages and what reference decoders are to open next."""
import struct

HEAD = 1 << 20  # enough for the metadata before a JPEG's frame header


def read_head(path):
    with open(path, "rb") as file:
        return file.read(HEAD)


def jpeg_frame(data):
    """Marker number, width and height of a JPEG's frame header."""
    at = 2
    while True:
        while data[at + 1] == 0xFF:
            at += 1
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            return marker, width, height
        at += 2 + length


def webp_size(data):
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def image_size(path):
    """Width and height as stored. ValueError where the file is none of the three."""
    data = read_head(path)
    if data[:2] == b"\xff\xd8":
        return jpeg_frame(data)[1:]
    if data[:4] == b"\x89PNG":
        return struct.unpack(">II", data[16:24])
    if data[:4] == b"RIFF":
        return webp_size(data)
    raise ValueError("neither JPEG, PNG nor WebP")


def is_baseline_jpeg(path):
    data = read_head(path)
    return data[:2] == b"\xff\xd8" and jpeg_frame(data)[0] == 0xC0


def is_plain_png(path):
    """Whether a file is a PNG that is not interlaced."""
    data = read_head(path)
    return data[:4] == b"\x89PNG" and data[28] == 0
