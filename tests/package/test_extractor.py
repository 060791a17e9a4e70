"""The extractor: the same bits as a run's tables, whatever an image is given as and wherever it is computed."""

import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import pomona
from conftest import ended
from pomona import _extractor


def paths_and_features(run, images):
    paths = [images / path for path in __import__("pyarrow").table(run.metadata())["path"].to_pylist()]
    return paths, run.features().matrix()


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_features_are_those_of_the_command_line(command_line, images, threads):
    paths, expected = paths_and_features(pomona.open(command_line), images)
    features = pomona.Extractor(untrained=True, threads=threads).features(paths)
    assert features.dtype == np.float32 and np.array_equal(features, expected)


def test_an_image_may_be_given_as_anything(extractor, run, images):
    paths, expected = paths_and_features(run, images)
    pictures = [Image.open(path) for path in paths]
    forms = [
        [str(path) for path in paths],
        [path.read_bytes() for path in paths],
        [bytearray(path.read_bytes()) for path in paths],
        pictures,
        [np.asarray(picture) for picture in pictures],
        [np.asfortranarray(np.asarray(picture)) for picture in pictures],
        (path for path in paths),
        np.array([str(path) for path in paths]),
    ]
    for items in forms:
        assert np.array_equal(extractor.features(items), expected)
    mixed = [form[index] for index, form in enumerate(forms[:6])]
    assert np.array_equal(extractor.features(mixed), expected[:6])


def test_gray_and_palettes_are_as_in_files(extractor, images):
    picture = Image.open(images / "apple" / "0.png")
    for mode in ("L", "P", "1", "RGBA", "CMYK"):
        converted = picture.convert(mode)
        file = io.BytesIO()
        converted.save(file, "TIFF" if mode == "CMYK" else "PNG")
        by_file, by_picture = extractor.features([file.getvalue(), converted])
        assert np.array_equal(by_file, by_picture), mode
    gray = np.asarray(picture.convert("L"))
    a, b, c = extractor.features([gray, gray[:, :, np.newaxis], np.repeat(gray[:, :, np.newaxis], 3, axis=2)])
    assert np.array_equal(a, b) and np.array_equal(a, c)


def test_what_is_no_image_is_a_clear_exception(extractor, images, tmp_path):
    image = images / "apple" / "0.png"
    cut = image.read_bytes()[:200]
    with pytest.raises(pomona.ImageError, match="item 1 is truncated") as raised:
        extractor.features([image, cut])
    assert (raised.value.index, raised.value.reason) == (1, "truncated")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    with pytest.raises(FileNotFoundError, match="none.png"):
        extractor.features([tmp_path / "none.png"])
    with pytest.raises(pomona.ImageError, match="unreadable"):
        extractor.features([tmp_path])
    for item, kind, text in [
        (3, TypeError, "item 0 is a int"),
        (None, TypeError, "NoneType"),
        (np.zeros((4, 4, 3)), TypeError, "float64"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"\(4, 4, 4\)"),
        (np.zeros(4, np.uint8), ValueError, r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), pomona.ImageError, "corrupt"),
        (b"", pomona.ImageError, "empty"),
        (b"text", pomona.ImageError, "unsupported"),
    ]:
        with pytest.raises(kind, match=text):
            extractor.features([item])
    with pytest.raises(TypeError, match="single image"):
        extractor.features(image)
    with pytest.raises(TypeError):
        extractor.features(7)
    with pytest.raises(ValueError, match="errors='ignore'"):
        extractor.features([], errors="ignore")
    assert extractor.features([]).shape == (0, 1280)


def test_bad_images_may_be_passed_over_and_are_counted(extractor, images):
    image = images / "apple" / "0.png"
    items = [b"", image, "none.png", image]
    (expected,) = extractor.features([image])
    with pytest.warns(pomona.ImageWarning, match="2 of 4 images left NaN; the first is item 0, empty") as warned:
        rows = extractor.features(items, errors="nan")
    assert np.isnan(rows[[0, 2]]).all() and np.array_equal(rows[[1, 3]], [expected, expected])
    assert [failure[:2] for failure in warned[0].message.failures] == [(0, "empty"), (2, "missing")]
    with pytest.warns(pomona.ImageWarning, match="2 of 4 images left out"):
        rows = extractor.features(items, errors="skip")
    assert np.array_equal(rows, [expected, expected])


def test_options_are_those_of_the_command_line(images, tmp_path):
    run = pomona.run(images, tmp_path, untrained=True, preset="torchvision", layer="Conv_1", progress=False, limit=4)
    image = images / __import__("pyarrow").table(run.metadata())["path"][0].as_py()
    extractor = pomona.Extractor(untrained=True, preset="torchvision", layer="Conv_1")
    (features,) = extractor.features([image])
    assert features.shape == (62720,) == extractor.get_feature_names_out().shape
    assert np.array_equal(run.pca().transform([features])[0], run.components().matrix()[0])
    with pytest.raises(pomona.BadInput, match="tensorflow"):
        pomona.Extractor(preset="tensorflow").features([image])
    with pytest.raises(pomona.BadInput, match="none.onnx"):
        pomona.Extractor("none.onnx").features([image])
    with pytest.raises(pomona.ImageError, match="too_large"):
        pomona.Extractor(untrained=True, max_pixels=10).features([image])


def test_it_is_a_transformer_of_scikit_learn(extractor, images):
    paths = sorted(images.rglob("*.png"))
    labels = [path.parent.name for path in paths]
    pipeline = make_pipeline(pomona.Extractor(untrained=True), PCA(4), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=2, error_score="raise")
    search.fit([str(path) for path in paths], labels)
    assert search.score([str(path) for path in paths], labels) > 0.9
    twin = clone(extractor)
    assert twin is not extractor and twin.get_params() == extractor.get_params()
    assert list(extractor.get_feature_names_out()[:2]) == ["feature0", "feature1"]
    assert extractor.fit(paths) is extractor
    assert np.array_equal(extractor.fit_transform(paths[:2]), extractor.transform(paths[:2]))
    repr(pipeline)
    changed = clone(extractor).set_params(preset="keras-load-img")
    assert not np.array_equal(changed.features(paths[:1]), extractor.features(paths[:1]))
    assert repr(changed) == "Extractor(untrained=True, preset='keras-load-img')"
    with pytest.raises(ValueError, match="colour"):
        changed.set_params(colour="red")


def features_of(extractor, path):
    return extractor.features([path])


def test_workers_load_it_by_themselves(extractor, images):
    path = images / "apple" / "0.png"
    expected = extractor.features([path])
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, mp_context=get_context(method)) as workers:
            results = list(workers.map(features_of, [extractor] * 4, [path] * 4, timeout=60))
        assert all(np.array_equal(result, expected) for result in results)


def test_a_child_of_fork_may_use_what_its_parent_has_used(extractor, images):
    path = images / "apple" / "0.png"
    expected = extractor.features([path])
    child = os.fork()
    if child == 0:
        try:
            same = np.array_equal(extractor.features([path]), expected)
            _extractor._network.cache_clear()
            gc.collect()
            os._exit(0 if same else 3)
        finally:
            os._exit(4)
    assert ended(child, 60) == 0


def test_what_is_unpickled_shares_its_network_and_what_is_made_anew_does_not(images):
    one = pomona.Extractor(untrained=True, threads=1)
    twin = pickle.loads(pickle.dumps(one))
    assert twin.get_params() == one.get_params() and twin._loaded() is one._loaded()
    assert clone(one)._loaded() is not one._loaded()
    twin.set_params(preset="opencv")
    assert twin._loaded() is not one._loaded()


def test_threads_share_one(images, run):
    paths, expected = paths_and_features(run, images)
    extractor = pomona.Extractor(untrained=True)
    results = [None] * 4
    def compute(index):
        results[index] = extractor.features(paths)
    threads = [threading.Thread(target=compute, args=(index,)) for index in range(4)]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert all(np.array_equal(result, expected) for result in results)


INTERRUPTED = """
import sys, time, pomona
extractor = pomona.Extractor(untrained=True)
extractor.features(sys.argv[1:2])
print("ready", flush=True)
try:
    extractor.features(sys.argv[1:2] * 100_000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(extractor.features(sys.argv[1:2]).shape, flush=True)
"""


def test_ctrl_c_ends_it_within_half_a_second(images):
    command = [sys.executable, "-c", INTERRUPTED, images / "apple" / "0.png"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - sent < 0.5
    assert process.stdout.readline() == "(1, 1280)\n"
    assert process.wait(10) == 0


def resident_megabytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_memory_does_not_grow(extractor, images):
    items = [np.asarray(Image.open(path).resize((600, 600))) for path in images.rglob("*.png")]
    sizes = []
    for _ in range(50):
        extractor.features(items)
        sizes.append(resident_megabytes())
    # What 26 pictures take as copies would be 28 MB a call.
    assert max(sizes[25:]) - max(sizes[5:25]) < 20
