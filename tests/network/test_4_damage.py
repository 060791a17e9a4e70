"""Bytes that are others when they arrive: what S3, an etag or a digest vouches for is read again, and nothing is
computed from what is damaged."""

import concurrent.futures
import hashlib
import random
import re

import pytest
from PIL import Image

import faults
import images
from faults import FLIP_BARE, Rules, flip, named, of
from proxy import Proxy

# Of each kind of file that a run reads back, one. In the second run over the same output all of them are there.
OWN = [
    "archives/",
    "planned.json",
    "/missing.json",
    "/shards.json",
    "/plan.json",
    "/merge/1.json",
    "/listing/00000-",
    ".moments",
    ".features.parquet",
    ".rejects.parquet",
    "/digests/reduce.json",
    "/pca_model.parquet",
    "/counters/00000.json",
    "/classes.csv",
]
# Their content has no digest, but what S3 keeps of it.
BARE = ["latest.json", "lock.json"]
# What only erasures write, and every run asks for.
ERASED = "suppressed.json"


def reads(part, times=1):
    """Fits the first reads of a file whose key holds this."""
    return lambda request: request.reads_object() and part in request.key and request.seen < times


def bmp(number):
    """A picture that is another one by any bit, and none that is damaged."""
    return images.encoded(Image.frombytes("RGB", (8, 8), random.Random(number).randbytes(192)), "BMP")


@pytest.fixture(scope="module")
def plain(s3):
    """Pictures without any checksum of their own, nor one that S3 keeps: their etags are their MD5."""
    return s3.make_bucket("plain-pictures", {f"a/{number}.bmp": bmp(number) for number in range(12)})


@pytest.fixture(scope="module")
def of_plain(s3, plain):
    return s3.succeed(s3.url, plain, s3.make_bucket("of-plain"), "--extensions", "bmp")


@pytest.mark.parametrize("at", [0.3, 0.6, 0.99])
def test_a_flipped_bit_of_an_image_is_noticed_by_its_etag(s3, plain, of_plain, output, at):
    rules = Rules((reads(".bmp"), named(flip, "flip_bare", bare=True, at=at)))
    with Proxy(s3.port, rules) as proxy:
        assert s3.succeed(proxy.url, plain, output, "--extensions", "bmp") == of_plain
    assert len(proxy.injected) == 12


def test_an_image_that_never_arrives_whole_has_no_features_and_is_asked_for_again(s3, plain, of_plain, output):
    with Proxy(s3.port, Rules((reads("a/3.bmp", 99), FLIP_BARE))) as proxy:
        ended = s3.run(proxy.url, plain, output, "--extensions", "bmp", "--max-reject-share", "1")
    if ended.code == 0:
        errors = b"".join(content for key, content in s3.newest(output).items() if key.startswith("errors/"))
        assert b"a/3.bmp,a,unreadable" in errors, errors
    else:
        assert ended.code == 1 and "a/3.bmp" in ended.errors, str(ended)
    assert s3.succeed(s3.url, plain, output, "--extensions", "bmp") == of_plain


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_flipped_bit_is_noticed_by_s3s_checksum(s3, of_plain, output, algorithm):
    bucket = s3.make_bucket(f"with-{algorithm.lower()}")
    for number in range(12):
        s3.s3.put_object(Bucket=bucket, Key=f"a/{number}.bmp", Body=bmp(number), ChecksumAlgorithm=algorithm)
    with Proxy(s3.port, Rules((reads(".bmp"), flip))) as proxy:
        assert s3.succeed(proxy.url, bucket, output, "--extensions", "bmp") == of_plain
    assert len(proxy.injected) == 12


def test_an_etag_that_is_no_md5_is_not_taken_for_one(s3, plain, of_plain, output):
    """As of objects that S3 encrypts with a key of KMS."""
    etags = {hashlib.md5(bmp(number)).hexdigest(): hashlib.sha256(bmp(number)).hexdigest()[:32] for number in range(12)}

    async def encrypted(exchange):
        fields = exchange.request.headers
        for md5, etag in etags.items():
            fields = [
                (name, value.replace(etag, md5) if name.lower() == "if-match" else value) for name, value in fields
            ]
        exchange.request.headers = fields
        answer = await exchange.forward()
        for md5, etag in etags.items():
            answer.headers = [(name, value.replace(md5, etag)) for name, value in answer.headers]
            answer.body = answer.body.replace(md5.encode(), etag.encode())
        if exchange.request.key:
            answer.headers.append(("x-amz-server-side-encryption", "aws:kms"))
        await exchange.send(answer)

    with Proxy(s3.port, Rules((lambda request: request.bucket == plain, encrypted))) as proxy:
        assert s3.succeed(proxy.url, plain, output, "--extensions", "bmp") == of_plain


def test_an_image_that_was_uploaded_in_parts_is_read(s3, plain, of_plain, output):
    """Its etag is no MD5 of its bytes, and its checksum one of the parts' checksums."""
    bucket = s3.make_bucket("uploaded-in-parts", {f"a/{number}.bmp": bmp(number) for number in range(12)})
    upload = {"Bucket": bucket, "Key": "a/3.bmp"}
    number = s3.s3.create_multipart_upload(**upload, ChecksumAlgorithm="CRC32")["UploadId"]
    part = s3.s3.upload_part(**upload, UploadId=number, PartNumber=1, Body=bmp(3), ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    s3.s3.complete_multipart_upload(**upload, UploadId=number, MultipartUpload={"Parts": parts})
    assert s3.s3.head_object(**upload)["ETag"].endswith('-1"')
    assert s3.succeed(s3.url, bucket, output, "--extensions", "bmp") == of_plain


# ---- archives, which are read by ranges that S3 gives no checksum of
@pytest.mark.parametrize("archive", ["more.tar", "more.zip"])
@pytest.mark.parametrize("read", [0, 1], ids=["listed", "extracted"])
def test_a_flipped_bit_of_an_archive_makes_no_feature(s3, pictures, undisturbed, output, archive, read):
    rules = Rules((lambda request: reads(archive, 9)(request) and request.seen == read, FLIP_BARE))
    with Proxy(s3.port, rules) as proxy:
        ended = s3.run(proxy.url, pictures, output, "--max-reject-share", "1")
    assert len(proxy.injected) == 1 and "panicked" not in ended.errors, str(ended)
    if ended.code == 0:
        assert_same_or_unreadable(s3.result(output), undisturbed)
    assert s3.succeed(s3.url, pictures, output) == undisturbed


def assert_same_or_unreadable(result, undisturbed):
    """All images are those of a run without faults, and what is missing of them is said to be unreadable."""
    there, expected = paths(result), paths(undisturbed)
    errors = b"".join(content for name, content in result.items() if name.startswith("errors/"))
    assert there <= expected
    assert all(path in errors for path in expected - there)
    assert errors.count(b",unreadable,") == len(expected - there)
    for name, content in undisturbed.items():
        if there == expected and name.startswith("features/"):
            assert result[name] == content


def paths(tables):
    """Of all usable images."""
    metadata = [content for name, content in tables.items() if name.startswith("metadata/")]
    return {line.split(b",")[0] for content in metadata for line in content.splitlines()[1:]}


# ---- a run's own files
@pytest.fixture(scope="module")
def began(s3, pictures):
    """The files that an earlier run over a part of the images left."""
    bucket = s3.make_bucket("began")
    s3.succeed(s3.url, pictures, bucket, "--exclude", "kiwi/broken.png", "--exclude", "blue plum/*")
    return s3.files(bucket)


def again(s3, began, output):
    for key, content in began.items():
        s3.s3.put_object(Bucket=output, Key=key, Body=content, ChecksumAlgorithm="CRC32")


def test_all_kinds_of_files_that_a_run_reads_are_tried(s3, pictures, began, output):
    again(s3, began, output)
    with Proxy(s3.port) as proxy:
        s3.succeed(proxy.url, pictures, output)
    own = [name for name in proxy.requests if name.startswith(f"GET /{output}/") and "list-type" not in name]
    kinds = [*OWN, *BARE, ERASED]
    alike = [re.sub(r"/0000\d", "/00000", name) for name in own]
    assert not [name for name in alike if not any(kind in name for kind in kinds)]
    assert not [kind for kind in kinds if not any(kind in name for name in alike) and kind != "archives/"]


@pytest.mark.parametrize("fault", [flip, FLIP_BARE], ids=["checksum", "digest"])
@pytest.mark.parametrize("part", OWN)
def test_a_flipped_bit_of_an_own_file_is_noticed(s3, pictures, began, undisturbed, output, part, fault):
    again(s3, began, output)
    with Proxy(s3.port, Rules((reads(part), fault))) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert proxy.injected


@pytest.mark.parametrize("part", BARE)
def test_a_flipped_bit_of_what_has_no_digest_is_noticed_by_s3s_checksum(s3, pictures, began, undisturbed, output, part):
    again(s3, began, output)
    with Proxy(s3.port, Rules((reads(part), flip))) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert proxy.injected and "lock.json" not in s3.files(output)


NEVER_WHOLE = ["/plan.json", "/listing/00000-", ".moments", ".features.parquet", "/pca_model.parquet"]


def never_whole(s3, pictures, part, fault):
    """What a run comes to that never gets this file whole, and its output."""
    output = s3.make_bucket(f"never-whole-{NEVER_WHOLE.index(part)}-{fault.__name__.replace('_', '-')}")
    with Proxy(s3.port, Rules((reads(part, 99), fault))) as proxy:
        return s3.run(proxy.url, pictures, output), output


@pytest.fixture(scope="module")
def runs_that_never_end_well(s3, pictures):
    """All at once, because each waits for most of a minute."""
    with concurrent.futures.ThreadPoolExecutor(2 * len(NEVER_WHOLE)) as pool:
        cases = [(part, fault) for part in NEVER_WHOLE for fault in [flip, FLIP_BARE]]
        yield {case: pool.submit(never_whole, s3, pictures, *case) for case in cases}


@pytest.mark.parametrize("fault", [flip, FLIP_BARE], ids=["checksum", "digest"])
@pytest.mark.parametrize("part", NEVER_WHOLE)
def test_an_own_file_that_never_arrives_whole_ends_the_run(
    s3, pictures, undisturbed, runs_that_never_end_well, part, fault
):
    ended, output = runs_that_never_end_well[part, fault].result()
    assert ended.code == 1 and part in ended.errors.splitlines()[-1] and "panicked" not in ended.errors, str(ended)
    assert s3.succeed(s3.url, pictures, output) == undisturbed


def test_what_arrives_damaged_at_s3_is_refused_there_and_written_again(s3, pictures, undisturbed, output):
    with Proxy(
        s3.port, Rules((lambda request: of("PUT", "", 1)(request) and request.length(), faults.flip_upload))
    ) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert len(proxy.injected) > 30
