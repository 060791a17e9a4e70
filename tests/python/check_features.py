"""check_features.py OUTPUT IMAGES MODEL TOLERANCE: a run's features equal those that Pillow and ONNX Runtime make of the same files, and its rejects
are files that Pillow refuses, too."""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from results import rejects, table

output, images, model, tolerance = sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
warnings.simplefilter("ignore")
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def features(path):
    """What somebody without Pomona computes for a file, or None where Pillow refuses it."""
    try:
        pixels = np.asarray(Image.open(images / path).convert("RGB").resize((224, 224)))
    except Exception:  # Pillow refuses with many types
        return None
    batch = (pixels.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    return session.run(None, {"input": batch})[0][0]


found = table(output, "features").set_index("path")["features"]
assert len(found) > 30, len(found)
largest = max(np.abs(found[path] - features(path)).max() for path in found.index)
refused = rejects(output)
wrongly = {path: reason for path, reason in refused.items() if reason != "unsupported" and features(path) is not None}
print(f"largest difference to ONNX Runtime over {len(found)} images: {largest:.2e}; {len(refused)} rejects")
assert not wrongly, wrongly
assert largest <= tolerance, largest
