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
import weakref
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas
import polars
import pytest
import sklearn
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
    rgba = np.asarray(picture.convert("RGBA"))
    a, b, c = extractor.features([rgba, picture, memoryview(np.asarray(picture))])
    assert np.array_equal(a, b) and np.array_equal(a, c)
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
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(300 << 20)
    for name, said in (("pipe.png", "unreadable: it is no file"), ("huge.png", "too_large")):
        with pytest.raises(pomona.ImageError, match=said):
            extractor.features([tmp_path / name])
    for item, kind, text in [
        (3, TypeError, "item 0 is of type int"),
        (None, TypeError, "NoneType"),
        (np.zeros((4, 4, 3)), TypeError, "float64"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"\(4, 4, 2\)"),
        (np.zeros(4, np.uint8), ValueError, r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), pomona.ImageError, "corrupt"),
        (b"", pomona.ImageError, "empty"),
        (b"text", pomona.ImageError, "unsupported"),
    ]:
        with pytest.raises(kind, match=text):
            extractor.features([item])
    for single in (image, str(image), image.read_bytes(), Image.open(image), np.asarray(Image.open(image))):
        with pytest.raises(TypeError, match="single image"):
            extractor.features(single)
    with pytest.raises(TypeError, match="one of its columns"):
        extractor.features(pandas.DataFrame({"image": [str(image)]}))
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
    for threads in (0, -1, 1_000_000):
        with pytest.raises(pomona.BadInput, match="give a number from 1 to 1024"):
            pomona.Extractor(untrained=True, threads=threads).features([image])
    for options in ({"model": b"x"}, {"untrained": 1}, {"preset": True}, {"mean": []}, {"threads": []}, {"crop": object()}):
        with pytest.raises(TypeError, match=next(iter(options))):
            pomona.Extractor(**options).features([image])
    numbers = {"mean": np.full(3, 0.5), "std": (np.float32(0.5),) * 3, "untrained": np.bool_(True), "threads": np.int64(1)}
    assert "mean=array" in repr(pomona.Extractor(**numbers))
    assert np.array_equal(pomona.Extractor(**numbers).features([image]), pomona.Extractor(untrained=True).features([image]))
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
    names = list(extractor.get_feature_names_out())
    for container, frame in (("pandas", pandas.DataFrame), ("polars", polars.DataFrame)):
        framed = make_pipeline(clone(extractor), PCA(2)).set_output(transform=container)[:1].transform(paths[:2])
        assert isinstance(framed, frame) and list(framed.columns) == names
        assert np.array_equal(framed.to_numpy(), extractor.transform(paths[:2]))
    assert isinstance(clone(clone(extractor).set_output(transform="pandas")).transform(paths[:1]), pandas.DataFrame)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(extractor.transform(paths[:1]), pandas.DataFrame)
    with pytest.raises(ValueError, match="transform='list'"):
        extractor.set_output(transform="list")
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
            _extractor._networks.clear()
            _extractor._latest = extractor._network = None
            gc.collect()
            os._exit(0 if same else 3)
        finally:
            os._exit(4)
    assert ended(child, 60) == 0


def test_extractors_that_are_alike_share_a_network(tmp_path):
    one = pomona.Extractor(untrained=True, threads=1)
    twin = pickle.loads(pickle.dumps(one))
    assert twin.get_params() == one.get_params() and twin._loaded() is one._loaded() is clone(one)._loaded()
    assert pickle.dumps(clone(one)) == pickle.dumps(one)
    twin.set_params(preset="opencv")
    assert twin._loaded() is not one._loaded()
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(clone(one)._loaded())) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert set(loaded) == {one._loaded()}
    file = tmp_path / "model.onnx"
    for _ in range(2):
        subprocess.run(["pomona", "model", "untrained", file], check=True)
        loaded.append(pomona.Extractor(file)._loaded())
        file.unlink()
    assert loaded[-1] is not loaded[-2]


def test_what_nobody_uses_is_given_back():
    extractor = pomona.Extractor(untrained=True, threads=2)
    extractor.features([])
    network = weakref.ref(extractor._loaded())
    del extractor
    pomona.Extractor(untrained=True, threads=1).features([])
    gc.collect()
    assert network() is None


def test_pictures_are_turned_as_files_are(images, tmp_path):
    picture = Image.open(images / "apple" / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    for options in ({}, {"exif_orientation": "apply"}, {"preset": "opencv"}, {"preset": "torchvision"}):
        extractor = pomona.Extractor(untrained=True, **options)
        as_file, as_picture = extractor.features([tmp_path / "turned.png", Image.open(tmp_path / "turned.png")])
        assert np.array_equal(as_file, as_picture), options


def test_large_jpegs_are_decoded_as_drafts_where_that_is_wanted(tmp_path):
    noise = np.random.default_rng(7).integers(0, 256, (1000, 1400, 3), np.uint8)
    Image.fromarray(noise).resize((2800, 2000)).save(tmp_path / "large.jpg")
    draft = Image.open(tmp_path / "large.jpg")
    draft.draft("RGB", (448, 448))
    assert draft.size == (700, 500)
    scaled = pomona.Extractor(untrained=True, decode="scaled")
    full = pomona.Extractor(untrained=True, decode="full")
    as_file, as_draft = scaled.features([tmp_path / "large.jpg", draft])
    assert np.array_equal(as_file, as_draft)
    undrafted = Image.open(tmp_path / "large.jpg")
    as_picture = scaled.features([undrafted])[0]
    by_default = pomona.Extractor(untrained=True).features([tmp_path / "large.jpg"])[0]
    whole = full.features([tmp_path / "large.jpg"])[0]
    assert np.array_equal(whole, by_default) and np.array_equal(whole, as_picture)
    assert not np.array_equal(whole, as_file)


def test_a_picture_that_cannot_be_decoded_is_one_failure(extractor, images):
    image = images / "apple" / "0.png"
    cut = Image.open(io.BytesIO(image.read_bytes()[:300]))
    closed = Image.open(image)
    closed.close()
    with pytest.raises(pomona.ImageError, match="item 1 is unreadable"):
        extractor.features([image, cut])
    with pytest.warns(pomona.ImageWarning, match="2 of 3 images left out; the first is item 0, unreadable"):
        assert len(extractor.features([closed, image, cut], errors="skip")) == 1


def test_decoded_pictures_are_not_all_copied_at_once(extractor):
    picture = np.zeros((4000, 4000, 3), np.uint8)
    before = resident_megabytes()
    peak = [before]
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            peak.append(resident_megabytes())

    thread = threading.Thread(target=watch)
    thread.start()
    extractor.features([picture] * 20)
    done.set()
    thread.join()
    # 20 copies of 48 MB.
    assert max(peak) - before < 500


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


# Other suites run beside this one, and once is enough to show that it can.
TRIES = 4


def interrupted(process):
    """Seconds from Ctrl-C to its exception."""
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    return time.monotonic() - sent


SILENT = """
import socket, os, sys, threading, pomona
server = socket.create_server(("127.0.0.1", 0))
os.environ.update(AWS_ENDPOINT_URL="http://127.0.0.1:%d" % server.getsockname()[1], NO_PROXY="127.0.0.1",
                  AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_REGION="eu-west-1")
print("ready", flush=True)
try:
    exec(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("call", ["pomona.open('s3://b/p')", "pomona.run('.', 's3://b/p', untrained=True, progress=False)"])
def test_ctrl_c_ends_what_waits_for_a_silent_server(call):
    def seconds():
        process = subprocess.Popen([sys.executable, "-c", SILENT, call], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        taken = interrupted(process)
        assert process.wait(10) == 0
        return taken

    assert any(seconds() < 0.5 for _ in range(TRIES))


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

    def seconds():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        taken = interrupted(process)
        assert process.stdout.readline() == "(1, 1280)\n"
        assert process.wait(10) == 0
        return taken

    assert any(seconds() < 0.5 for _ in range(TRIES))


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
