"""TIFFs of all kinds that are read, right and wrong ones, for pixels_oracle.py: each written by hand, so that every field
can have any value."""

import io
import struct
import zlib

from PIL import Image

SIDES = [1, 2, 3, 5, 8, 9, 17, 31, 40, 67]
# Photometric interpretation, bits, extra samples; most are read.
KINDS = [
    *[(photometric, [bits], []) for photometric in (0, 1, 3) for bits in (1, 2, 4, 8)],
    *[(1, [16], []), (0, [16], []), (1, [8, 8], [0]), (1, [8, 8], [1]), (1, [8, 8], [2]), (0, [8, 8], [2])],
    *[(2, [8] * 3, []), (2, [8] * 3, []), (2, [8] * 3, []), (2, [8] * 4, []), (2, [16] * 3, []), (2, [16] * 4, [2])],
    *[(2, [8] * 4, [meaning]) for meaning in (0, 1, 2, 999)],
    *[
        (2, [8] * 5, [2, 0]),
        (2, [8] * 6, [1, 0, 0]),
        (5, [8] * 4, []),
        (5, [8] * 5, [0]),
        (3, [8, 8], [0]),
        (5, [8] * 3, []),
    ],
]
# Photometric interpretation, mode, samples.
JPEGS = [(1, "L", 1), (2, "RGB", 3), (6, "RGB", 3), (6, "RGB", 3), (5, "CMYK", 4)]
NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACK_BITS = 1, 5, 7, 8, 32946, 32773


def tiff(rng, picture):
    """A TIFF in strips or tiles, with up to a few faults."""
    size = rng.choice(SIDES), rng.choice(SIDES)
    faults = {rng.choice(FAULTS) for _ in range(rng.choice([0, 0, 1, 1, 2]))}
    order = rng.choice(["II", "MM"])
    tags = {256: (rng.choice([3, 4]), [size[0]]), 257: (4, [size[1]]), 274: (3, [rng.choice([1, 1, 1, *range(10)])])}
    is_tiled = rng.random() < 0.4
    segment = (16 * rng.randint(1, 3), 16 * rng.randint(1, 3)) if is_tiled else (size[0], rng.randint(1, size[1] + 2))
    if is_tiled:
        tags |= {322: (3, [segment[0]]), 323: (3, [segment[1]])}
    elif segment[1] != size[1] or rng.random() < 0.5:
        tags[278] = (rng.choice([3, 4]), [segment[1]])
    compression = rng.choice([NONE, NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACK_BITS])
    if "compression" in faults:
        tags[259] = (3, [rng.choice([2, 3, 4, 6, 34925, 50000, 50001, 9])])
    elif compression != NONE or rng.random() < 0.5:
        tags[259] = (3, [compression])
    make = jpeg_segments if compression == JPEG else plain_segments
    segments = make(rng, picture, order, size, segment, is_tiled, compression, tags, faults)
    return with_directory(rng, order, tags, segments, is_tiled, faults)


FAULTS = [
    *["compression", "fewer", "more", "lengths", "no lengths", "cut", "flip", "depths", "predictor", "fill order"],
    *["format", "late", "same place", "short map", "huge strips", "samples", "type"],
]


def plain_segments(rng, picture, order, size, segment, is_tiled, compression, tags, faults):
    photometric, bits, extra = rng.choice(KINDS)
    is_planar = rng.random() < 0.2
    tags |= {258: (3, bits), 262: (3, [photometric]), 277: (3, [len(bits)])}
    if extra:
        tags[338] = (3, extra)
    if is_planar or rng.random() < 0.5:
        tags[284] = (3, [1 + is_planar])
    if photometric == 3:
        colours = 2 ** bits[0]
        if "short map" in faults:
            colours = rng.randint(1, colours + 2)
        tags[320] = (3, [rng.randrange(65536) for _ in range(3 * colours)])
    if "depths" in faults:
        tags[258] = (3, rng.choice([bits[:1], bits + [8], [8] * 2, [1], [4, 8], []]) or [8])
    if "samples" in faults:
        tags[277] = (3, [rng.randint(0, 7)])
    if "format" in faults:
        tags[339] = (3, rng.choice([[1], [2], [3], [1, 1, 1], [1, 2]]))
    if "fill order" in faults:
        tags[266] = (3, [rng.choice([1, 2])])
    if rng.random() < 0.3 or "predictor" in faults:
        tags[317] = (3, [2 if "predictor" not in faults else rng.choice([1, 2, 3, 4])])
    pack = {NONE: bytes, LZW: lambda rows: lzw(rng, rows), PACK_BITS: lambda rows: pack_bits(rng, rows)}
    pack = pack.get(compression, lambda rows: zlib.compress(rows, rng.choice([0, 1, 9])))
    width = segment[0]
    planes = [[depth] for depth in bits] if is_planar else [bits]
    result = []
    for plane in planes:
        for top in range(0, size[1], segment[1]):
            for _ in range(0, size[0], width) if is_tiled else (0,):
                rows = segment[1] if is_tiled else min(segment[1], size[1] - top)
                length = (width * sum(plane) + 7) // 8 * rows
                smooth = rng.random() < 0.3
                result.append(
                    pack(
                        bytes(rng.randrange(256) for _ in range(4)) * (length // 4 + 1)
                        if smooth
                        else rng.randbytes(length)
                    )
                )
                result[-1] = result[-1][:length] if smooth and compression == NONE else result[-1]
    return result


def jpeg_segments(rng, picture, order, size, segment, is_tiled, compression, tags, faults):
    photometric, mode, samples = rng.choice(JPEGS)
    tags |= {258: (3, [8] * samples), 262: (3, [photometric]), 277: (3, [samples])}
    options = {"quality": rng.choice([10, 60, 95])}
    if mode == "RGB":
        options["subsampling"] = rng.choice([0, 1, 2]) if photometric == 6 else 0
        if photometric == 2:
            options["keep_rgb"] = rng.random() < 0.7
        elif rng.random() < 0.7:
            tags[530] = (3, [[1, 1], [2, 1], [2, 2]][options["subsampling"] if rng.random() < 0.9 else 0])

    def encoded(image, **more):
        out = io.BytesIO()
        image.save(out, "JPEG", **options, **more)
        return out.getvalue()

    has_tables = rng.random() < 0.6
    result = []
    for top in range(0, size[1], segment[1]):
        for _ in range(0, size[0], segment[0]):
            rows = segment[1] if is_tiled or rng.random() < 0.1 else min(segment[1], size[1] - top)
            image = picture(rng, mode, (segment[0], rows))
            result.append(encoded(image, streamtype=2 if has_tables else 0))
    if has_tables:
        tags[347] = (7, encoded(picture(rng, mode, (8, 8)), streamtype=1))
    return result


def lzw(rng, data):
    """LZW's codes of bytes: a clear code often enough that the codes do not grow."""
    codes = []
    for at, byte in enumerate(data):
        codes += [256] * (at % 200 == 0) + [byte]
    if rng.random() < 0.1:
        codes.insert(rng.randrange(1, len(codes) + 1), rng.choice([256, 257, 258, 300]))
    bits = "".join(f"{code:09b}" for code in codes + [257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def pack_bits(rng, data):
    packed = b""
    while data:
        count = min(rng.randint(1, 128), len(data))
        run = len(data) - len(data.lstrip(data[:1]))
        if run > 1:
            count = min(run, 128)
            packed += bytes([257 - count, data[0]])
        else:
            packed += bytes([count - 1]) + data[:count]
        data = data[count:]
        packed += b"\x80" * (rng.random() < 0.05)
    return packed


def with_directory(rng, order, tags, segments, is_tiled, faults):
    """The file: header, segments, directory, and what does not fit into it."""
    mark = "<" if order == "II" else ">"
    if "flip" in faults:
        index = rng.randrange(len(segments))
        flipped = bytearray(segments[index])
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        segments[index] = bytes(flipped)
    data, offsets = bytearray(8), []
    placed = list(enumerate(segments))
    if rng.random() < 0.2:
        rng.shuffle(placed)
    for index, segment in placed:
        offsets.append((index, len(data)))
        data += segment
    offsets = [offset for _, offset in sorted(offsets)]
    lengths = [len(segment) for segment in segments]
    if "fewer" in faults:
        del offsets[-1:], lengths[-1:]
    if "more" in faults:
        extra = rng.randint(1, 3)
        offsets += [rng.choice(offsets or [8]) for _ in range(extra)]
        lengths += [rng.choice(lengths or [1]) for _ in range(extra)]
    if "same place" in faults and offsets:
        offsets[rng.randrange(len(offsets))] = rng.choice(offsets)
    if "lengths" in faults and lengths:
        lengths[rng.randrange(len(lengths))] += rng.choice([-3, -1, 1, 5, 1000])
    if "late" in faults and offsets:
        offsets[rng.randrange(len(offsets))] += rng.choice([1, 40, 10_000])
    if "huge strips" in faults and not is_tiled:
        tags[278] = (4, [0xFFFFFFFF])
    tags |= {324 if is_tiled else 273: (4, offsets)}
    if "no lengths" not in faults:
        tags[325 if is_tiled else 279] = (4, [max(length, 0) for length in lengths])
    if "type" in faults:
        tag = rng.choice([tag for tag in tags if tag != 347])
        tags[tag] = (rng.choice([1, 3, 8, 9, 12]), [value % 100 for value in tags[tag][1]])
    data += b"\0" * (len(data) % 2)
    start = len(data)
    behind = start + 2 + 12 * len(tags) + 4
    data[:8] = order.encode() + struct.pack(mark + "HI", 42, start)
    entries, values = b"", b""
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        code = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i", 12: "d"}.get(kind)
        packed = bytes(numbers) if kind == 7 else b"".join(struct.pack(mark + code, number) for number in numbers)
        entries += struct.pack(mark + "HHI", tag, kind, len(numbers))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(mark + "I", behind + len(values))
            values += packed + b"\0" * (len(packed) % 2)
    data += struct.pack(mark + "H", len(tags)) + entries + struct.pack(mark + "I", 0) + values
    if "cut" in faults:
        del data[-rng.randint(1, 40) :]
    return bytes(data)
