"""Files taken apart into segments and chunks and put together again, and a text hidden in them where no pixel is."""
import random
import zlib

SECRET = b"SeCrEt-7c1e"


def jpeg_parts(data):
    """The segments of a JPEG up to its first scan: marker and payload; and what follows."""
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xff and data[at + 1] != 0xd9:
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        parts.append((data[at:at + 2], data[at + 4:end]))
        at = end
        if parts[-1][0] == b"\xff\xda":
            break
    return parts, data[at:]


def chunk_parts(data, at, order):
    parts = []
    while at + 8 <= len(data):
        length, name = (data[at:at + 4], data[at + 4:at + 8]) if order == "big" else (data[at + 4:at + 8], data[at:at + 4])
        length = int.from_bytes(length, order)
        parts.append((name, data[at + 8:at + 8 + length]))
        at += 12 + length if order == "big" else 8 + length + length % 2
    return parts


def joined(kind, parts, rest):
    """A file of these parts, each as long as its content."""
    if kind == "jpeg":
        return b"\xff\xd8" + b"".join(name + (len(part) + 2).to_bytes(2, "big") + part for name, part in parts if len(part) < 65534) + rest
    if kind == "png":
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            len(part).to_bytes(4, "big") + name + part + zlib.crc32(name + part).to_bytes(4, "big") for name, part in parts)
    chunks = b"".join(name + len(part).to_bytes(4, "little") + part + bytes(len(part) % 2) for name, part in parts)
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks


def divided(data):
    """Its format, its parts, and what is behind them."""
    if data[:2] == b"\xff\xd8":
        return "jpeg", *jpeg_parts(data)
    if data[:4] == b"\x89PNG":
        return "png", chunk_parts(data, 8, "big"), b""
    return "webp", chunk_parts(data, 12, "little"), b""


def with_secret(data):
    """The file with a text in a place that is none of its pixels, its lengths and sums put right."""
    kind, parts, rest = divided(data)
    places = [i for i, (name, _) in enumerate(parts) if name not in (b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH")]
    i = random.choice(places or [0])
    name, part = parts[i]
    how = random.randrange(6)
    names = {"jpeg": [bytes((0xff, code)) for code in (*range(0xc0, 0xd0), *range(0xda, 0xff))],
             "png": [b"IHDR", b"PLTE", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"acTL", b"fcTL", b"pHYs",
                     b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"prVt", b"hIST", b"sPLT"],
             "webp": [b"VP8X", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"abcd", b"C2PA"]}[kind]
    if how == 0:
        parts[i] = (name, part + SECRET)
    elif how == 1:
        parts.insert(i + 1, (name, part + SECRET))
    elif how == 2:
        parts.insert(i, (name, SECRET + part[len(SECRET):]))
    elif how == 3:
        parts.insert(i + random.randrange(2), (random.choice(names), bytes(random.randrange(40)) + SECRET + bytes(random.randrange(40))))
    elif how == 4:
        at = random.randrange(len(part) + 1)
        parts[i] = (name, part[:at] + SECRET + part[at:])
    else:
        parts[i] = (name, b"")
        rest += SECRET
    return joined(kind, parts, rest)


#: Whose values draw, whatever they are, and pixels.
DRAWN = (b"PLTE", b"tRNS", b"cHRM", b"mDCV", b"mDCv", b"fcTL", b"ANMF", b"VP8 ", b"VP8L", b"\xff\xdb", b"\xff\xc4")


def tells_secret(data):
    kind, parts, rest = divided(data)
    return SECRET in rest or any(SECRET in part and name not in DRAWN for name, part in parts)
