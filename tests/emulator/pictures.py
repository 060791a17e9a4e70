"""Pictures for the tests: made-up things of a dozen kinds, some as JPEG and some as PNG, the same ones every time."""

import colorsys
import io
import math
from random import Random

from PIL import Image, ImageDraw, ImageOps

# What tells the kinds apart: a shape, two colours of its skin as hues, and how fine the skin's pattern is, across and
# down. Some names have spaces, as folders of photographs do; how often a kind is drawn differs, so that no two classes
# need have the same count.
KINDS = {
    "Anvil": ("box", 0.60, 0.68, (2, 2)),
    "Blue Disc": ("disc", 0.58, 0.50, (3, 3)),
    "Comb": ("box", 0.08, 0.12, (14, 1)),
    "Dusk Star": ("star", 0.80, 0.95, (4, 4)),
    "Ember": ("disc", 0.00, 0.10, (9, 9)),
    "Fern": ("leaf", 0.33, 0.25, (1, 12)),
    "Green Tile": ("box", 0.40, 0.30, (6, 6)),
    "Hoop": ("hoop", 0.14, 0.05, (12, 2)),
    "Ink Leaf": ("leaf", 0.70, 0.75, (2, 5)),
    "Jade Hoop": ("hoop", 0.45, 0.55, (3, 9)),
    "Kite": ("star", 0.17, 0.00, (1, 5)),
    "Lantern": ("leaf", 0.03, 0.15, (10, 10)),
}
WEIGHTS = range(4, 4 + len(KINDS))
# Edges are smooth because shapes are drawn so many times larger.
FINER = 4


def draw(folder, count):
    """Draws so many pictures into a folder for each kind: their paths by key, in the order of the keys."""
    pictures = {}
    for number in range(count):
        random = Random(number)
        [name] = random.choices(list(KINDS), WEIGHTS)
        ending, content = encoded(picture(random, *KINDS[name]), random, number)
        key = f"{name}/{number:04}.{ending}"
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        pictures[key] = path
    return dict(sorted(pictures.items()))


def encoded(image, random, number):
    """Most are JPEGs: with and without subsampling, sequential and progressive, a few without colours."""
    file = io.BytesIO()
    if number % 4 == 3:
        (image.quantize(64) if number % 8 == 3 else image).save(file, "PNG")
        return "png", file.getvalue()
    if number % 16 == 8:
        image = image.convert("L")
    image.save(
        file, "JPEG", quality=random.randint(75, 95), subsampling=random.choice([0, 2]), progressive=number % 5 == 0
    )
    return "jpg", file.getvalue()


def picture(random, shape, hue, other_hue, pattern):
    """A thing in front of something blurred."""
    size = random.randint(90, 140), random.randint(90, 140)
    # All backgrounds are light and pale, or else their brightness would be nearly all that features differ by.
    background = ImageOps.colorize(
        clouds(random, size, (3, 3)),
        shade(random, random.random(), 0.25, 0.8),
        shade(random, random.random(), 0.25, 0.8),
    )
    skin = ImageOps.colorize(
        clouds(random, size, pattern), shade(random, hue, 0.9, 0.4), shade(random, other_hue, 0.8, 0.4)
    )
    image = Image.composite(skin, background, outline(random, size, shape))
    # Grain, as of a camera.
    return Image.blend(
        image, Image.frombytes("RGB", size, random.randbytes(3 * size[0] * size[1])), random.uniform(0.02, 0.08)
    )


def clouds(random, size, cells):
    """Light and dark patches, in shades of grey; so many across and down."""
    across, down = cells[0] + 1, cells[1] + 1
    return Image.frombytes("L", (across, down), random.randbytes(across * down)).resize(size, Image.Resampling.BICUBIC)


def shade(random, hue, saturation, darkest):
    """A colour near that hue."""
    rgb = colorsys.hsv_to_rgb(
        (hue + random.uniform(-0.03, 0.03)) % 1, saturation * random.uniform(0.7, 1), random.uniform(darkest, 1)
    )
    return tuple(round(255 * part) for part in rgb)


def outline(random, size, shape):
    """Where the thing is, turned by any angle: white on black."""
    width, height = (FINER * side for side in size)
    mask = Image.new("L", (width, height))
    pen = ImageDraw.Draw(mask)
    x, y = width * random.uniform(0.42, 0.58), height * random.uniform(0.42, 0.58)
    radius = min(width, height) * random.uniform(0.3, 0.45)
    flatness = random.uniform(0.75, 1)
    match shape:
        case "disc":
            pen.ellipse(around(x, y, radius, radius * flatness), fill=255)
        case "box":
            pen.rounded_rectangle(around(x, y, radius, radius * flatness * 0.7), radius=radius * 0.2, fill=255)
        case "hoop":
            pen.ellipse(around(x, y, radius, radius * flatness), fill=255)
            pen.ellipse(around(x, y, radius * 0.5, radius * flatness * 0.5), fill=0)
        case "leaf":
            pen.ellipse(around(x, y, radius, radius * flatness * 0.4), fill=255)
        case "star":
            pen.polygon(
                [
                    (x + reach * math.sin(turn), y + reach * math.cos(turn))
                    for turn, reach in tips(radius, flatness * 0.5)
                ],
                fill=255,
            )
        case _:
            raise ValueError(f"no such shape: {shape}")
    return mask.rotate(random.uniform(0, 360), center=(x, y)).resize(size, Image.Resampling.BOX)


def around(x, y, across, down):
    return x - across, y - down, x + across, y + down


def tips(radius, depth):
    """Angle and distance of a star's five tips and what lies between them."""
    return [(math.pi * corner / 5, radius * (depth if corner % 2 else 1)) for corner in range(10)]
