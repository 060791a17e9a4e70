"""write_turned.py FOLDER: photographs, of which each second one is stored on its side and says so in its Exif data."""

import sys
from pathlib import Path

from PIL import Image
from skimage import data

ORIENTATION = 0x0112

folder = Path(sys.argv[1])
for index, name in enumerate(["astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry"]):
    image, exif = Image.fromarray(getattr(data, name)()), Image.Exif()
    image.thumbnail((400, 400))
    if index % 2:
        image, exif[ORIENTATION] = image.transpose(Image.Transpose.ROTATE_90), 6
    path = folder / f"label{index % 3}" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)
