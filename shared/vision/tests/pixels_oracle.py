"""What Pillow and OpenCV make of image files, for tests/pixels.rs and tests/presets.rs.

pixels_oracle.py digests FOLDER WIDTH HEIGHT WAY  prints JSON: {path below FOLDER: SHA-256 of its pixels, or null}
pixels_oracle.py table TABLE                   prints JSON: {path: SHA-256 of its RGB bytes} of a reference table
pixels_oracle.py photo FILE                    writes a JPEG of 101 x 67 pixels
pixels_oracle.py variants FOLDER SEED          writes valid files of many kinds and sizes
pixels_oracle.py damaged FOLDER SEED COUNT     writes COUNT files with bytes changed, removed, inserted or cut off
pixels_oracle.py odd FOLDER SEED COUNT KIND    writes COUNT files, right and wrong ones, of a kind of odd_files.py
pixels_oracle.py turned FOLDER SEED            writes files that are not stored upright, or say so in odd ways
pixels_oracle.py losses FOLDER                 writes files whose names begin with what they lose: alpha, saturated, none
"""

import hashlib
import io
import json
import random
import struct
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps
from pyarrow import parquet

import odd_files
import odd_tiffs

JPEG_MODES = ["RGB", "L", "CMYK"]
PNG_MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]
GIF_MODES = ["1", "L", "P", "RGB", "RGBA"]
WEBP_MODES = ["L", "RGB", "RGBA"]
SIZES = [
    *[(1, 1), (1, 40), (40, 1), (7, 9), (8, 8), (16, 16), (17, 15), (33, 64), (100, 100), (101, 67), (224, 224)],
    *[(224, 90), (90, 224), (225, 223), (640, 480), (500, 31), (3, 400), (230, 237), (230, 236), (300, 377)],
]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def upright(image):
    image.load()  # a picture that is refused is no matter of its Exif data
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of Exif data that are none; those of a JPEG it passes over
        return image


def drafted(data, size):
    """A picture that is decoded at the least fraction of its sides that is twice `size`."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", tuple(2 * side for side in size))
    return image


def drafted_upright(data, size):
    """The same of what `size` is when it has been turned."""
    is_turned = upright(Image.open(io.BytesIO(data))).size != Image.open(io.BytesIO(data)).size
    return upright(drafted(data, size[::-1] if is_turned else size))


def centre(image, side, size, resample):
    """torchvision's Resize(side) and CenterCrop(size) of a Pillow image: the lines of its `transforms.functional`."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new_long = int(side * long / short)
    image = image.resize((side, new_long) if width <= height else (new_long, side), resample)
    left, top = (int(round((whole - kept) / 2.0)) for whole, kept in zip(image.size, size))
    return image.crop((left, top, left + size[0], top + size[1]))


def by_opencv(data, size, flags=cv2.IMREAD_COLOR):
    return cv2.resize(cv2.imdecode(np.frombuffer(data, np.uint8), flags), size)


def by_opencv_reduced(data, size):
    """OpenCV does not choose the fraction itself, and would resize what is no JPEG."""
    if not data.startswith(b"\xff\xd8"):
        return by_opencv(data, size)
    image = upright(Image.open(io.BytesIO(data)))
    scale = min(side // (2 * wanted) for side, wanted in zip(image.size, size))
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    fits = (flag for fraction, flag in flags.items() if scale >= fraction)
    return by_opencv(data, size, next(fits, cv2.IMREAD_COLOR))


# Programs that make pixels of a file's bytes, by the name that tests/presets.rs knows them under.
WAYS = {
    "keras": lambda data, size: opened(data).resize(size),
    "keras-upright": lambda data, size: upright(Image.open(io.BytesIO(data))).convert("RGB").resize(size),
    "keras-crop": lambda data, size: centre(opened(data), 299, size, Image.Resampling.BICUBIC),
    "keras-load-img": lambda data, size: opened(data).resize(size, Image.Resampling.NEAREST),
    "keras-load-img-crop": lambda data, size: centre(opened(data), 256, size, Image.Resampling.NEAREST),
    "opencv": by_opencv,
    "opencv-rgb": lambda data, size: cv2.cvtColor(by_opencv(data, size), cv2.COLOR_BGR2RGB),
    "opencv-as-stored": lambda data, size: by_opencv(data, size, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION),
    "torchvision": lambda data, size: centre(opened(data), 256, size, Image.Resampling.BILINEAR),
    "keras-scaled": lambda data, size: drafted(data, size).convert("RGB").resize(size),
    "keras-scaled-upright": lambda data, size: drafted_upright(data, size).convert("RGB").resize(size),
    "keras-load-img-scaled": lambda data, size: drafted(data, size).convert("RGB").resize(size, Image.Resampling.NEAREST),
    "opencv-scaled": by_opencv_reduced,
    "torchvision-scaled": lambda data, size: centre(
        drafted(data, (20, 20)).convert("RGB"), 20, size, Image.Resampling.BILINEAR
    ),
}


def digest(data, size, way):
    """The digest of a program's pixels of a file's bytes, or None where it refuses them."""
    try:
        pixels = WAYS[way](data, size).tobytes()
    except Exception:  # Pillow refuses with many types
        return None
    return hashlib.sha256(pixels).hexdigest()


def digests(folder, size, way):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest(path.read_bytes(), size, way) for path in files}


def picture(rng, mode, size):
    """Smooth colours with noise on top: all frequencies, no flat areas."""
    small = Image.frombytes("RGB", (3, 3), rng.randbytes(27)).resize(size)
    noise = Image.frombytes("RGB", size, rng.randbytes(size[0] * size[1] * 3))
    image = Image.blend(small, noise, rng.choice([0.05, 0.3, 0.8]))
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.frombytes("L", size, rng.randbytes(size[0] * size[1])))
    if mode == "I;16":
        return Image.frombytes("I;16", size, rng.randbytes(size[0] * size[1] * 2))
    if mode == "P":
        return image.quantize(rng.choice([2, 4, 16, 256]))
    return image.convert(mode)


def jpeg(rng, mode, size):
    options = {
        "quality": rng.choice([5, 30, 75, 95, 100]),
        "subsampling": rng.choice([0, 1, 2]),
        "progressive": rng.random() < 0.4,
        "optimize": rng.random() < 0.3,
    }
    if rng.random() < 0.3:
        options["restart_marker_blocks"] = rng.choice([1, 3, 7])
    if mode == "RGB" and rng.random() < 0.2:
        options["keep_rgb"] = True
        options["subsampling"] = 0
    if rng.random() < 0.2:
        exif = Image.Exif()
        exif[0x0112] = rng.randint(1, 8)
        options["exif"] = exif
    out = io.BytesIO()
    picture(rng, mode, size).save(out, "JPEG", **options)
    data = out.getvalue()
    return data + rng.randbytes(50) if rng.random() < 0.1 else data


def png(rng, mode, size):
    image = picture(rng, mode, size)
    options = {"compress_level": rng.choice([0, 1, 6, 9])}
    if mode == "P":
        options["bits"] = rng.choice([bits for bits in (1, 2, 4, 8) if 2**bits > max(image.tobytes())])
        if rng.random() < 0.5:
            options["transparency"] = rng.choice([0, bytes([0, 128, 255])])
    elif mode in ("L", "I;16") and rng.random() < 0.3:
        options["transparency"] = rng.randrange(256)
    elif mode == "RGB" and rng.random() < 0.3:
        options["transparency"] = image.getpixel((0, 0))
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(rng, size, depth, colour, interlaced):
    """A PNG of random samples in a depth or an order that Pillow does not write; half the rows are filtered."""
    width, height = size
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(0, 0, 1, 1)] if not interlaced else ADAM7
    rows = b""
    for left, top, step, row_step in passes:
        pixels = len(range(left, width, step))
        for _ in range(top, height, row_step) if pixels else ():
            rows += bytes([rng.choice([0, rng.randrange(5)])]) + rng.randbytes((pixels * bits + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", rng.randbytes(3 * rng.randint(1, 2**depth))) if colour == 3 else b""
    data = zlib.compress(rows)
    cut = rng.randint(0, len(data))
    parts = chunk(b"IDAT", data[:cut]) + chunk(b"IDAT", data[cut:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + parts + chunk(b"IEND", b"")


def gif(rng, mode, size):
    image = picture(rng, mode, size)
    options = {"interlace": rng.randrange(2)}
    if mode in ("L", "P") and rng.random() < 0.5:
        options["transparency"] = rng.choice(image.tobytes())
    if rng.random() < 0.3:
        options |= {"save_all": True, "append_images": [picture(rng, mode, size)], "disposal": rng.randrange(4)}
    out = io.BytesIO()
    image.save(out, "GIF", **options)
    return out.getvalue()


def webp(rng, mode, size):
    options = {"quality": rng.choice([0, 30, 75, 100]), "method": rng.randrange(7), "lossless": rng.random() < 0.3}
    if mode == "RGBA":
        options |= {"alpha_quality": rng.choice([0, 50, 100]), "exact": rng.random() < 0.5}
    if rng.random() < 0.3:
        options |= {"save_all": True, "append_images": [picture(rng, mode, size)], "background": (9, 99, 199, 255)}
    if rng.random() < 0.3:
        options |= {"icc_profile": rng.randbytes(99), "exif": Image.Exif()}
    out = io.BytesIO()
    picture(rng, mode, size).save(out, "WEBP", **options)
    return out.getvalue()


TIFF_MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]


def tiff(rng, mode, size):
    kinds = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"] + ["jpeg"] * (mode in ("L", "RGB", "CMYK"))
    tags = {278: 8 * rng.randint(1, 1 + size[1] // 8), 274: rng.choice([1, 1, rng.randint(1, 8)])}
    image = picture(rng, "L" if mode == "LA" else "RGB" if mode == "CMYK" else mode, size).convert(mode)
    if mode not in ("1", "P"):
        tags[317] = rng.choice([1, 2])
    out = io.BytesIO()
    image.save(out, "TIFF", compression=rng.choice(kinds), tiffinfo=tags)
    return out.getvalue()


BLUE_FIRST = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
RED_FIRST = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
BMPS = [
    *[(bits, 0, header, None) for bits in (1, 4, 8, 24) for header in (12, 40, 108, 124)],
    *[(32, 0, header, None) for header in (40, 108, 124)],
    (32, 3, 40, BLUE_FIRST),
    *[(32, 3, header, masks) for header in (56, 124) for masks in (BLUE_FIRST, RED_FIRST)],
]


def raw_bmp(rng, size, bits, compression, header_length, masks):
    """A BMP of random samples, in all the ways of writing one that Pillow reads."""
    width, height = size
    rows = rng.randbytes((width * bits + 31) // 32 * 4 * height)
    colours = 0 if bits > 8 else 1 << bits
    if header_length == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
        palette = rng.randbytes(3 * colours)
    else:
        used = rng.choice([0, rng.randint(1, colours)]) if colours else 0
        fields = [header_length, width, height * rng.choice([1, -1]), 1, bits, compression, len(rows), 0, 0, used, 0]
        header = struct.pack("<IiiHHIIiiII", *fields)
        if masks:
            header += struct.pack("<IIII", *masks)[: 12 if header_length == 40 else 16]
        header = header.ljust(header_length, b"\0")
        palette = rng.randbytes(4 * (used or colours))
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
RAW_PNGS = [(depth, colour) for colour, depths in DEPTHS.items() for depth in depths]


def all_variants(seed):
    ImageFile.MAXBLOCK = 1 << 22  # Pillow writes progressive JPEGs in one block of at least this size
    rng = random.Random(seed)
    for size in SIZES + [(rng.randint(1, 300), rng.randint(1, 300)) for _ in range(10)]:
        for mode in JPEG_MODES * 3:
            yield f"{mode}.jpg", jpeg(rng, mode, size)
        for mode in PNG_MODES:
            yield f"{mode.replace(';', '')}.png", png(rng, mode, size)
        for depth, colour in RAW_PNGS:
            for interlaced in (0, 1):
                yield f"depth{depth}-colour{colour}-{interlaced}.png", raw_png(rng, size, depth, colour, interlaced)
        for mode in GIF_MODES * 2:
            yield f"{mode}.gif", gif(rng, mode, size)
        for mode in WEBP_MODES * 3:
            yield f"{mode}.webp", webp(rng, mode, size)
        for mode in TIFF_MODES:
            yield f"{mode.replace(';', '')}.tiff", tiff(rng, mode, size)
        for bits, compression, header, masks in BMPS:
            yield f"{bits}-{compression}-{header}.bmp", raw_bmp(rng, size, bits, compression, header, masks)


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        # Headers are short and decide most, so every second change is there.
        at = rng.randrange(min(len(data), 700) if rng.random() < 0.5 else len(data))
        kind = rng.randrange(7)
        if kind <= 2:
            data[at] = rng.choice([rng.randrange(256), data[at] ^ 1 << rng.randrange(8), 0xFF])
        elif kind == 3:
            del data[at : at + rng.choice([1, 2, 40])]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice([1, 2, 40]))
        elif kind == 5:
            del data[max(at, 1) :]
        else:
            del data[-rng.choice([1, 2, 3, 12, 20]) :]
        if not data:
            break
    return bytes(data)


ODD_FILES = {
    "bmp": odd_files.bmp,
    "gif": odd_files.gif,
    "png": odd_files.png,
    "tiff": lambda rng: odd_tiffs.tiff(rng, picture),
    "webp": lambda rng: odd_files.webp(rng, picture),
}


def files_with_losses():
    """Files that lose something, or nearly do, and what that is."""
    size = (7, 5)

    def saved(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    for alpha, name in [(255, "none"), (254, "alpha")]:
        rgba, gray = Image.new("RGBA", size, (1, 2, 3, 255)), Image.new("LA", size, (9, 255))
        rgba.putpixel((6, 4), (1, 2, 3, alpha))
        gray.putpixel((6, 4), (9, alpha))
        yield f"{name}-rgba.png", saved(rgba, "PNG")
        yield f"{name}-gray.png", saved(gray, "PNG")
        yield f"{name}-rgba.tiff", saved(rgba, "TIFF", compression="tiff_lzw")
        yield f"{name}-rgba.webp", saved(rgba, "WEBP", lossless=True)
    for orientation, name in [(1, "none"), (6, "turned")]:
        for kind in ["JPEG", "PNG", "WEBP"]:
            yield f"{name}-exif.{kind}", with_exif(Image.new("RGB", size, (1, 2, 3)), kind, exif(orientation))
    for shade, name in [(255, "none"), (256, "saturated")]:
        yield f"{name}-16-bits.png", saved(Image.new("I;16", size, shade), "PNG")
        yield f"{name}-16-bits.tiff", saved(Image.new("I;16", size, shade), "TIFF")
    for transparent, name in [(3, "none"), (1, "alpha")]:
        # The last pixel of a row shares its byte with what fills the row up.
        image = Image.new("P", size, 1)
        image.putpalette(range(12))
        yield f"{name}-index.gif", saved(image, "GIF", transparency=transparent)
        yield f"{name}-index.png", saved(image, "PNG", bits=2, transparency=transparent)
        yield (
            f"{name}-colour.png",
            saved(Image.new("RGB", size, (1, 2, 3)), "PNG", transparency=(1, 2, 3 if transparent == 1 else 4)),
        )


def exif(orientation, order="<", kind=3, count=1):
    """Exif data of one tag."""
    value = struct.pack(order + {1: "B3x", 3: "H2x", 4: "I"}[kind], orientation)
    mark = {"<": b"II", ">": b"MM"}[order]
    return mark + struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, kind, count) + value + bytes(4)


def with_exif(image, kind, data, **options):
    out = io.BytesIO()
    image.save(out, kind, exif=b"Exif\0\0" + data, **options)
    return out.getvalue()


def png_with_exif_behind(image, data):
    """Its Exif data come after its image data, as PNG allows."""
    out = io.BytesIO()
    image.save(out, "PNG")
    plain, end = out.getvalue(), chunk(b"IEND", b"")
    return plain.removesuffix(end) + chunk(b"eXIf", data) + end


def turned_files(rng):
    for orientation in range(10):
        for size in [(1, 40), (40, 1), (7, 9), (33, 64), (101, 67)]:
            image, data = picture(rng, "RGB", size), exif(orientation, rng.choice("<>"))
            mode = rng.choice(["RGB", "L", "CMYK"])
            yield f"{mode}-{orientation}.jpg", with_exif(image.convert(mode), "JPEG", data, quality=90)
            yield f"progressive-{orientation}.jpg", with_exif(image, "JPEG", data, quality=50, progressive=True)
            yield f"before-{orientation}.png", with_exif(image, "PNG", data)
            yield f"behind-{orientation}.png", png_with_exif_behind(image, data)
            yield f"{orientation}.webp", with_exif(image, "WEBP", data, lossless=True)
            yield f"lossy-{orientation}.webp", with_exif(image, "WEBP", data, quality=80)
    image = picture(rng, "RGB", (20, 30))
    # What is no orientation: no data, data that end early, no directory, and another tag.
    for data in [b"", exif(6)[:7], exif(6)[:14], b"XX" + exif(6)[2:], exif(6).replace(b"\x12\x01", b"\x13\x01")]:
        yield "odd.jpg", with_exif(image, "JPEG", data)
        yield "odd.png", with_exif(image, "PNG", data)
        yield "odd.webp", with_exif(image, "WEBP", data)


def write(folder, files):
    for index, (name, data) in enumerate(files):
        (folder / f"{index:05}-{name}").write_bytes(data)


def main(command, folder, *numbers):
    warnings.simplefilter("ignore")
    folder = Path(folder)
    if command == "digests":
        json.dump(digests(folder, tuple(map(int, numbers[:2])), numbers[2]), sys.stdout)
    elif command == "photo":
        picture(random.Random(1), "RGB", (101, 67)).save(folder)
    elif command == "table":
        columns = parquet.read_table(folder, columns=["path", "pixels_sha256"]).to_pydict()
        json.dump(dict(zip(columns["path"], columns["pixels_sha256"])), sys.stdout)
    elif command == "variants":
        write(folder, all_variants(int(numbers[0])))
    elif command == "damaged":
        seed, count = map(int, numbers)
        rng = random.Random(seed)
        small = [(name, data) for name, data in all_variants(seed) if len(data) < 20_000]
        chosen = (rng.choice(small) for _ in range(count))
        write(folder, ((name, damage(rng, data)) for name, data in chosen))
    elif command == "odd":
        seed, count, kind = int(numbers[0]), int(numbers[1]), numbers[2]
        rng = random.Random(seed)
        write(folder, ((f"odd.{kind}", ODD_FILES[kind](rng)) for _ in range(count)))
    elif command == "turned":
        write(folder, turned_files(random.Random(int(numbers[0]))))
    elif command == "losses":
        for name, data in files_with_losses():
            (folder / name).write_bytes(data)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
