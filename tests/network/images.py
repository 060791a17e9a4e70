"""Small drawn pictures, alone and in archives, with labels as folders; the same ones every time."""

import io
import random
import tarfile
import zipfile

from PIL import Image, ImageDraw

HUES = {"apple": (200, 40, 40), "blue plum": (60, 60, 170), "kiwi": (90, 140, 40)}


def picture(label, number):
    """A disc in front of something light."""
    drawn = random.Random(f"{label} {number}")
    size = drawn.randint(12, 24), drawn.randint(12, 24)
    image = Image.new("RGB", size, tuple(drawn.randint(180, 255) for _ in range(3)))
    near = tuple(max(0, min(255, part + drawn.randint(-30, 30))) for part in HUES[label])
    ImageDraw.Draw(image).ellipse((2, 2, size[0] - drawn.randint(3, 6), size[1] - drawn.randint(3, 6)), fill=near)
    return encoded(image, "JPEG" if number % 3 == 0 else "PNG")


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def drawn(count):
    """So many pictures by key, of all labels in turn."""
    names = [(list(HUES)[number % len(HUES)], number) for number in range(count)]
    return {
        f"{label}/{number:03}.{'jpg' if number % 3 == 0 else 'png'}": picture(label, number) for label, number in names
    }


def tar_of(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zip_of(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def assorted():
    """What a run of each seed reads: pictures, a few of them in archives, and one broken file."""
    pictures = drawn(32)
    keys = list(pictures)
    alone = {key: pictures[key] for key in keys[:24]}
    broken = {"kiwi/broken.png": pictures["kiwi/002.png"][: len(pictures["kiwi/002.png"]) // 2]}
    packed = {
        "more.tar": tar_of({key: pictures[key] for key in keys[24:28]}),
        "more.zip": zip_of({key: pictures[key] for key in keys[28:]}),
    }
    return {**alone, **broken, **packed}
