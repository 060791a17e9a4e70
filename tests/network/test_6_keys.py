"""Keys of all shapes that S3 allows, as images and in the places of a run."""

import csv
import io
import unicodedata

import pytest
from PIL import Image

import images
import signature
from proxy import Proxy

NAMES = [
    "plain/a.png",
    "with spaces/a b  c.png",
    " space first/ a.png",
    "plus+plus/a+b.png",
    "percent/a%2Fb.png",
    "percent/a/b.png",
    "percent/100%.png",
    "percent/%zz%00.png",
    "two//slashes.png",
    "three///slashes.png",
    "/slash first.png",
    "dots/../up.png",
    "dots/./here.png",
    "../out.png",
    "dots.../a....png",
    unicodedata.normalize("NFC", "café/é.png"),
    unicodedata.normalize("NFD", "café/é.png"),
    "日本/🍎.png",
    "control/\x01\x02\x1f\x7f.png",
    "control/tab\tline\nreturn\r.png",
    "quotes/\"a\" 'b' `c`.png",
    "xml/<a>&amp;&b.png",
    "url/a?b=c#d&e;f,g@h:i!j$k(l)~m.png",
    "glob/*[a]{b}.png",
    "back\\slash/a\\b.png",
    "caps/A.PNG",
    "long/" + "é" * 507 + "a.png",
]


def colour(number):
    """No two alike, and far from one another."""
    return (number * 9 % 256, number * 57 % 256, 255 - number * 9)


@pytest.fixture(scope="module")
def expected():
    return {name: colour(number) for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def odd(s3, expected):
    files = {name: images.encoded(Image.new("RGB", (8, 8), shade), "PNG") for name, shade in expected.items()}
    return s3.make_bucket("odd-keys", files)


def features(tables):
    """Label and features by path, of all files of a run."""
    rows = {}
    for name, content in tables.items():
        if name.startswith("features/csv/"):
            for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
                rows[row["path"]] = row["label"], [float(part) for part in row["features_string"].split(",")]
    return rows


def signed(request):
    """No fault, but a look at what moto does not look at."""
    assert signature.fits(request), request.target


def test_keys_are_as_they_should_be():
    assert max(len(name.encode()) for name in NAMES) == 1024
    assert len(set(NAMES)) == len(NAMES) == len({colour(number) for number in range(len(NAMES))})


def test_images_of_all_keys_are_listed_and_read(s3, odd, output, expected):
    with Proxy(s3.port, signed, pages=5) as proxy:
        s3.succeed(proxy.url, odd, output, "--csv", "all", "--include-hidden")
    tables = s3.newest(output)
    errors = [content for name, content in tables.items() if name.startswith("errors/")]
    assert all(len(content.splitlines()) == 1 for content in errors), errors
    rows = features(tables)
    assert sorted(rows) == sorted(expected)
    for path, shade in expected.items():
        label, found = rows[path]
        assert label == path.split("/")[-2]
        assert found == pytest.approx([part / 127.5 - 1 for part in shade], abs=1e-4), path


@pytest.mark.parametrize("prefix", ["a b+c%2Fd", "café/日本", "a&b=<c>", "*[a]{b}", "x" * 300, "quote\"'s"])
def test_places_of_a_run_may_have_odd_names(s3, pictures, undisturbed, output, prefix):
    """The input's, where results have only what is below it; and the output's, which is also where copies are made."""
    for key, content in s3.files(pictures).items():
        s3.put(output, f"in/{prefix}/{key}", content)
    with Proxy(s3.port, signed, pages=5) as proxy:
        for _ in range(2):
            ended = s3.run(proxy.url, f"{output}/in/{prefix}", f"{output}/out/{prefix}")
            assert ended.code == 0, str(ended)
    assert s3.result(output, f"out/{prefix}/") == undisturbed
