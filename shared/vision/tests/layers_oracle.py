"""What ONNX Runtime computes for nodes of a network, for tests/layers.rs.

layers_oracle.py FOLDER NODE ...   runs FOLDER/model.onnx on the 224 x 224 RGB bytes of FOLDER/pixels; the floats of each
                                   node, little-endian, in the order height, width, channels, go into a file of its name
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

folder, nodes = Path(sys.argv[1]), sys.argv[2:]
pixels = np.fromfile(folder / "pixels", dtype=np.uint8).reshape(1, 224, 224, 3)
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
images = session.run(nodes, {"input": (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)})
for node, image in zip(nodes, images, strict=True):
    image.transpose(0, 2, 3, 1).astype("<f4").tofile(folder / node)
