"""write_colours.py FOLDER: sixty pictures of a single colour each, black, white and the corners of the cube among them."""

import itertools
import random
import sys
from pathlib import Path

from PIL import Image

folder = Path(sys.argv[1])
folder.mkdir(parents=True)
rng = random.Random(20180113)
corners = list(itertools.product((0, 255), repeat=3))
colours = corners + [tuple(rng.randrange(256) for _ in range(3)) for _ in range(60 - len(corners))]
for number, colour in enumerate(colours):
    Image.new("RGB", (64, 64), colour).save(folder / f"{number}.png")
