"""Files that are seldom seen, right and wrong ones, for pixels_oracle.py: each written by hand, so that every field can
have any value."""

import io
import struct
import zlib

from PIL import Image

SIDES = [1, 2, 3, 5, 8, 9, 17, 31, 40, 67]

BMP_MASKS = [
    *[(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0)],
    *[(0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000)],
    *[(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0)],
    *[(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0), (0xF00, 0xF0, 0xF, 0), (0xFF, 0xFF00, 0xFF0000, 0)],
]


def size_of(rng):
    return rng.choice(SIDES), rng.choice(SIDES)


def bmp(rng):
    """A BMP of any header, depth and compression; about half of them make sense."""
    width, height = size_of(rng)
    length = rng.choice([12, 40, 40, 40, 52, 56, 64, 64, 108, 124, 16])
    compression = 0 if length == 12 else rng.choice([0, 0, 0, 1, 2, 3, 3, 4])
    bits = {1: rng.choice([8, 8, 8, 4, 1, 24]), 2: rng.choice([4, 4, 8])}.get(compression)
    bits = bits or rng.choice([16, 24, 32] if compression == 3 else [1, 2, 4, 8, 16, 24, 32])
    colours = rng.choice([0, 0, 2, 1 << min(bits, 8), rng.randint(1, 300)]) if bits <= 8 and length > 12 else 0
    count = (colours or 1 << bits) if bits <= 8 else 0
    header = bmp_header(rng, (width, height), length, bits, compression, colours)
    palette = bmp_palette(rng, count, 3 if length == 12 else 4)
    rows = run_lengths(rng, width, height) if compression in (1, 2) else bmp_rows(rng, width, height, bits)
    behind = 14 + len(header) + len(palette)
    start = rng.choice([behind, behind, behind, 0, 14 + length, rng.randint(14, behind)])
    data = b"BM" + struct.pack("<IHHI", behind + len(rows), 0, 0, start) + header + palette + rows
    return data[: -rng.randint(1, 4)] if rng.random() < 0.1 else data


def bmp_header(rng, size, length, bits, compression, colours):
    width, height = size
    planes = rng.choice([1, 1, 2, 0])
    if length == 12:
        return struct.pack("<IHHHH", length, width, height, planes, bits)
    height *= rng.choice([1, 1, -1])
    header = struct.pack("<IiiHHIIiiII", length, width, height, planes, bits, compression, 0, 0, 0, colours, 0)
    if compression == 3:
        small = rng.random() < 0.9
        fitting = [masks for masks in BMP_MASKS if not small or (max(masks) < 1 << 16) == (bits == 16)]
        header += struct.pack("<IIII", *rng.choice(fitting))[: 12 if length == 40 else 16]
    behind = 52 if length == 40 and compression == 3 else length
    return header.ljust(length, b"\0")[:behind]


def bmp_palette(rng, count, entry):
    kind = rng.randrange(4)
    if kind == 0 and count == 2:
        colours = [0, 255]
    elif kind <= 1:
        colours = [index % 256 for index in range(count)]
    else:
        return rng.randbytes(entry * count)
    return b"".join(bytes([colour] * 3).ljust(entry, b"\0") for colour in colours)


def bmp_rows(rng, width, height, bits):
    rows = rng.randbytes((width * bits + 31) // 32 * 4 * height)
    padding = (-(width * bits + 7) // -8 - len(rows) // height) % 4
    return rows[: len(rows) - padding] if padding and rng.random() < 0.3 else rows


def run_lengths(rng, width, height):
    """Runs that fill the rows, or nearly, and now and then go wrong."""
    data = b""
    wrong = rng.choice([0, 0, 0.1])
    for _ in range(height):
        left = width
        while left > 0:
            count = min(rng.randint(1, 12), left)
            if count > 2 and rng.random() < 0.3:
                stored = rng.randbytes(count if rng.random() < 0.9 else -(-count // 2))
                data += bytes([0, count]) + stored + b"\0" * (len(stored) % 2)
            elif rng.random() < 0.1:
                data += bytes([0, 2, count, 0])
            else:
                data += bytes([count, rng.randrange(256)])
            left -= count
            if rng.random() < wrong:
                data += rng.choice([b"\0\0", b"\0\1", b"\0\2\3\1", b"\x30\7", b"\0", rng.randbytes(2)])
        data += b"\0\0" if rng.random() < 0.8 else b""
    return data + rng.choice([b"", b"\0\1"])


def lzw(rng, bits, pixels):
    """GIF's codes of pixels: a clear code often enough that the codes do not grow, and sometimes an early end."""
    clear = 1 << bits
    every = max(clear - 2, 1) if bits < 12 else 1
    codes = []
    for at, pixel in enumerate(pixels):
        codes += [clear] * (at % every == 0) + [pixel % clear]
    if rng.random() < 0.05:
        codes.insert(rng.randrange(len(codes)), clear + 1)
    if rng.random() < 0.05:
        codes[rng.randrange(len(codes))] = rng.randrange(clear * 2)
    number = count = 0
    data = bytearray()
    for code in codes + [clear + 1] * (rng.random() < 0.9):
        number |= code << count
        count += bits + 1
        while count >= 8:
            data.append(number & 255)
            number >>= 8
            count -= 8
    data.append(number & 255)
    size = rng.choice([255, 255, 7])
    return b"".join(bytes([len(data[at : at + size])]) + data[at : at + size] for at in range(0, len(data), size))


def gif_palette(rng, bits):
    if rng.random() < 0.3:
        return bytes(index for index in range(1 << bits) for _ in range(3))
    return rng.randbytes(3 << bits)


def gif(rng):
    """A GIF whose first frame lies anywhere, with any palettes, behind any extensions."""
    width, height = size_of(rng)
    whole = rng.random() < 0.3
    left, top = (0, 0) if whole else (rng.randint(0, 9), rng.randint(0, 9))
    frame_width, frame_height = (width, height) if whole else size_of(rng)
    global_bits, local_bits = rng.randint(1, 8), rng.randint(1, 8)
    data = b"GIF89a" + struct.pack("<HH", width, height)
    if rng.random() < 0.6:
        data += bytes([0x80 | global_bits - 1, rng.randrange(8), 0]) + gif_palette(rng, global_bits)
    else:
        data += bytes([0, 0, 0])
    for _ in range(rng.randrange(4)):
        data += rng.choice(
            [
                *[b"!\xf9\x04" + bytes([rng.randrange(32)]) + b"\0\0" + rng.randbytes(1) + b"\0"] * 4,
                *[
                    b"!\xfe\3abc\2de\0",
                    b"!\xfe\0",
                    b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0",
                    b"!\x01\0\2ab\0",
                    b"!\xf9\2\0\0\0",
                ],
                *[b"\0", rng.randbytes(1), b"!\xce\3abc\0"],
            ]
        )
    interlaced = 0x40 * rng.randrange(2)
    data += b"," + struct.pack("<HHHH", left, top, frame_width, frame_height)
    if rng.random() < 0.5:
        data += bytes([interlaced | 0x80 | local_bits - 1]) + gif_palette(rng, local_bits)
    else:
        data += bytes([interlaced])
    bits = rng.choice([1, 2, 3, 5, 8, 8, 8, rng.randint(0, 13)])
    data += bytes([bits]) + lzw(rng, bits, rng.randbytes(frame_width * frame_height))
    data += rng.choice([b"\0;", b"\0", b""])
    return data[: -rng.randint(1, 9)] if rng.random() < 0.1 else data


def chunk(name, data, checksum=None):
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


PNG_KINDS = [*[(depth, 0) for depth in (1, 2, 4, 8, 16)], *[(depth, 3) for depth in (1, 2, 4, 8)]]
PNG_KINDS += [(depth, colour) for colour in (2, 4, 6) for depth in (8, 16)]


def png_rows(rng, size, depth, colour, interlaced):
    """Rows as they are stored, each with its filter."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for left, top, step, row_step in adam7 if interlaced else [(0, 0, 1, 1)]:
        pixels = len(range(left, size[0], step))
        for _ in range(top, size[1], row_step) if pixels else ():
            yield bytes([rng.randrange(5)]) + rng.randbytes((pixels * bits + 7) // 8)


def png(rng):
    """A PNG with up to a few faults."""
    size = size_of(rng)
    depth, colour = rng.choice(PNG_KINDS)
    interlaced = rng.randrange(2)
    faults = {rng.choice(PNG_FAULTS) for _ in range(rng.choice([0, 1, 1, 1, 2]))}
    method, filters = 7 * ("method" in faults), 1 * ("filters" in faults)
    header = struct.pack(">IIBBBBB", *size, depth, colour, method, filters, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header + b"ab" * ("long header" in faults))
    frame = size
    if "frame" in faults:
        frame = rng.randint(1, size[0]), rng.randint(1, size[1])
        left, top = size[0] - frame[0], size[1] - frame[1]
        data += chunk(b"acTL", struct.pack(">II", 1, 0))
        data += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, *frame, left, top, 1, 1, 0, rng.randrange(2)))
    data += png_palettes(rng, faults, depth, colour)
    rows = list(png_rows(rng, frame, depth, colour, interlaced))
    if "few rows" in faults:
        rows = rows[: rng.randrange(len(rows))]
    if "half row" in faults:
        rows[-1:] = [row[: len(row) // 2] for row in rows[-1:]]
    if "more rows" in faults:
        rows += rows
    data += png_data(rng, faults, rows)
    if "cut" in faults:
        data = data[: -rng.randint(1, 30)]
    elif "no end" not in faults:
        data += chunk(b"tEXt", b"a\0b") * rng.randrange(2) + chunk(b"IEND", b"")
    return data


PNG_FAULTS = [
    *["method", "filters", "long header", "frame", "few rows", "half row", "more rows", "cut", "no end", "checksum"],
    *["palettes", "short palette", "no palette", "adler", "no adler", "late text", "flip", "transparency"],
]


def png_palettes(rng, faults, depth, colour):
    data = chunk(b"tRNS", rng.randbytes(6)) if "transparency" in faults and colour < 3 else b""
    if colour != 3 or "no palette" in faults:
        return data
    for _ in range(1 + ("palettes" in faults)):
        length = rng.randint(0, 3 * 2**depth) if "short palette" in faults else 3 * 2**depth
        data += chunk(b"PLTE", rng.randbytes(length))
    if "transparency" in faults:
        data += chunk(b"tRNS", rng.choice([b"\xff\0", b"\0", b"\xff" * 3, rng.randbytes(9)]))
    return data


def png_data(rng, faults, rows):
    packed = bytearray(zlib.compress(b"".join(rows), rng.choice([0, 1, 9])))
    if "adler" in faults:
        packed[-1] ^= 1
    if "no adler" in faults:
        del packed[-rng.randint(1, 5) :]
    if "flip" in faults:
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    ends = sorted(rng.choice([rng.randint(0, len(packed)), max(len(packed) - 4, 0)]) for _ in range(rng.randrange(3)))
    data = b""
    for start, end in zip([0, *ends], [*ends, len(packed)]):
        data += chunk(b"IDAT", bytes(packed[start:end]), rng.randrange(2**32) if "checksum" in faults else None)
    return data + (chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", b"abc")) * ("late text" in faults)


def riff_chunks(data):
    at = 12
    while at + 8 <= len(data):
        length = struct.unpack("<I", data[at + 4 : at + 8])[0]
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def riff_chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def webp(rng, picture):
    """An animated WebP whose frames lie anywhere, blended or not, disposed of or not."""
    canvas = 2 * rng.randint(1, 30), 2 * rng.randint(1, 30)
    body = riff_chunk(b"ANIM", rng.randbytes(4) + b"\0\0")
    for _ in range(rng.randint(1, 3)):
        whole = rng.random() < 0.3
        left, top = (0, 0) if whole else [2 * rng.randrange(side // 2) for side in canvas]
        size = canvas if whole else (rng.randint(1, canvas[0] - left), rng.randint(1, canvas[1] - top))
        image = picture(rng, rng.choice(["RGB", "RGBA"]), size)
        out = io.BytesIO()
        image.save(out, "WEBP", lossless=rng.random() < 0.5, quality=rng.choice([10, 80]), exact=rng.random() < 0.5)
        kept = [
            riff_chunk(name, data) for name, data in riff_chunks(out.getvalue()) if name in (b"ALPH", b"VP8 ", b"VP8L")
        ]
        fields = [left // 2, top // 2, size[0] - 1, size[1] - 1, 40]
        head = b"".join(struct.pack("<I", field)[:3] for field in fields) + bytes([rng.randrange(4)])
        body += riff_chunk(b"ANMF", head + b"".join(kept))
    sides = b"".join(struct.pack("<I", side - 1)[:3] for side in canvas)
    flags = 2 | 0x10 * rng.choice([0, 1, 1])
    body = b"WEBP" + riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides) + body
    return b"RIFF" + struct.pack("<I", len(body)) + body
