"""check_presets.py OUTPUT IMAGES MODEL PRESET TOLERANCE: a run's features equal those that the program which the preset is named after, and
ONNX Runtime, make of the same files."""

import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image

from results import table

output, images, model = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
preset, tolerance = sys.argv[4], float(sys.argv[5])
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def photograph(path):
    return Image.open(path).convert("RGB")


def by_torchvision(path):
    """Resize(256), CenterCrop(224), ToTensor(), Normalize(...)."""
    image = photograph(path)
    width, height = image.size
    longer = int(256 * max(image.size) / min(image.size))
    image = image.resize((256, longer) if width <= height else (longer, 256), Image.Resampling.BILINEAR)
    left, top = (int(round((side - 224) / 2.0)) for side in image.size)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])


def keras(pixels):
    return pixels.astype(np.float32) / 127.5 - 1


INPUTS = {
    "keras": lambda path: keras(np.asarray(photograph(path).resize((224, 224)))),
    "keras-load-img": lambda path: keras(np.asarray(photograph(path).resize((224, 224), Image.Resampling.NEAREST))),
    "opencv": lambda path: keras(cv2.resize(cv2.imread(str(path)), (224, 224))),
    "torchvision": by_torchvision,
}

found = table(output, "features").set_index("path")["features"]
assert len(found) == 6, len(found)


def features(path):
    return session.run(None, {"input": INPUTS[preset](images / path).transpose(2, 0, 1)[None]})[0][0]


largest = max(np.abs(found[path] - features(path)).max() for path in found.index)
print(f"largest difference to {preset} and ONNX Runtime over {len(found)} images: {largest:.2e}")
assert largest <= tolerance, largest
