"""write_pictures.py FOLDER: photographs that come with scikit-learn and scikit-image, the same ones in other codings, and files that are no
good."""

import random
import shutil
import sys
from pathlib import Path

import skimage
import sklearn
from PIL import Image

folder = Path(sys.argv[1])
endings = {".jpg", ".png", ".gif"}
sources = [Path(sklearn.__file__).parent / "datasets/images", Path(skimage.__file__).parent / "data"]
photographs = sorted(path for source in sources for path in source.iterdir() if path.suffix in endings)
assert len(photographs) >= 25, photographs


def target(label, name):
    path = folder / label / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


for path in photographs:
    shutil.copy(path, target("as they come", path.name))

rng = random.Random(20180113)
for path in photographs[:12]:
    photograph = Image.open(path).convert("RGB")
    photograph.thumbnail((rng.randint(40, 400), rng.randint(40, 400)))
    for name, mode, options in [
        ("progressive.jpg", "RGB", {"progressive": True, "quality": 60}),
        ("cmyk.jpg", "CMYK", {}),
        ("grey.jpeg", "L", {"quality": 95, "subsampling": 0}),
        ("palette.png", "P", {}),
        ("grey.PNG", "L", {}),
        ("lossy.webp", "RGB", {"quality": 50}),
        ("lossless.webp", "RGB", {"lossless": True}),
        ("plain.bmp", "RGB", {}),
        ("palette.gif", "P", {}),
        ("packed.tif", "RGB", {"compression": "tiff_lzw"}),
    ]:
        photograph.convert(mode).save(target("in other codings", f"{path.stem} {name}"), **options)

whole = photographs[0].read_bytes()
bad = {
    "empty.jpg": b"",
    "text.jpg": b"<html>not found</html>",
    "half.jpg": whole[: len(whole) // 2],
    "header.jpg": whole[:20],
}
for name, content in bad.items():
    target("bad", name).write_bytes(content)
