"""The proxy itself: each fault does what it says, seen by a plain HTTP client; and draws are the same each time."""

import hashlib
import http.client
import time

import pytest

import faults
import signature
import world
from faults import Rules, Share
from proxy import Proxy, Request

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def bucket(s3):
    name = s3.make_bucket("for-the-proxy")
    s3.s3.put_object(Bucket=name, Key="object", Body=CONTENT, ChecksumAlgorithm="CRC32")
    return name


def ask(s3, bucket, fault, method="GET", key="object", body=None, **headers):
    """An answer behind a proxy that does this to each request, or the error that is made of it."""
    headers = {"x-amz-checksum-mode": "ENABLED", **world.SIGNED, **headers}
    with Proxy(s3.port, Rules((lambda request: True, fault))) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=1)
        try:
            connection.request(method, f"/{bucket}/{key}", body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


def test_a_request_without_fault_is_carried(s3, bucket):
    answer, body = ask(s3, bucket, None)
    assert (answer.status, body) == (200, CONTENT) and answer.getheader("x-amz-checksum-crc32")
    answer, body = ask(s3, bucket, None, "HEAD")
    assert (answer.getheader("content-length"), body) == (str(len(CONTENT)), b"")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (faults.slow_down, 503, b"<Code>SlowDown<"),
        (faults.internal_error, 500, b"<Code>InternalError<"),
        (faults.conflict, 409, b"<Code>ConditionalRequestConflict<"),
        (faults.late_error, 200, b"<Code>InternalError<"),
        (faults.no_such_upload, 404, b"<Code>NoSuchUpload<"),
    ],
)
def test_errors_are_answered(s3, bucket, fault, status, code):
    answer, body = ask(s3, bucket, fault)
    assert answer.status == status and code in body


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.reset, ConnectionResetError),
        (faults.close, http.client.RemoteDisconnected),
        (faults.cut, http.client.IncompleteRead),
        (faults.reset_amid, ConnectionResetError),
        (faults.stall, TimeoutError),
        (faults.never, TimeoutError),
        (faults.deaf, TimeoutError),
        (faults.vanish, ConnectionResetError),
    ],
)
def test_connections_fail(s3, bucket, fault, error):
    with pytest.raises(error):
        ask(s3, bucket, fault)


def test_nobody_listens_any_more(s3, bucket):
    with Proxy(s3.port, Rules((lambda request: True, faults.vanish))) as proxy:
        for error in (ConnectionResetError, ConnectionRefusedError):
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=1)
            with pytest.raises(error):
                connection.request("GET", f"/{bucket}/object")
                connection.getresponse()


@pytest.mark.parametrize("fault, is_written", [(faults.reset, False), (faults.lost_answer, True)])
def test_a_write_is_carried_out_or_not(s3, bucket, fault, is_written):
    key = fault.__name__
    with pytest.raises(ConnectionResetError):
        ask(s3, bucket, fault, "PUT", key, b"written")
    assert (key in s3.files(bucket)) == is_written


def test_a_bit_is_flipped(s3, bucket):
    answer, body = ask(s3, bucket, faults.flip)
    assert sum(a != b for a, b in zip(body, CONTENT, strict=True)) == 1 and answer.getheader("x-amz-checksum-crc32")
    answer, body = ask(s3, bucket, faults.FLIP_BARE)
    assert body != CONTENT and not answer.getheader("x-amz-checksum-crc32")
    answer, body = ask(
        s3, bucket, faults.flip_upload, "PUT", "flipped", b"written", **{"x-amz-checksum-crc32": "AAAAAA=="}
    )
    assert answer.status == 400 and b"BadDigest" in body and "flipped" not in s3.files(bucket)
    ask(s3, bucket, faults.flip_upload, "PUT", "flipped", b"written")
    assert s3.read(bucket, "flipped") == b"wri\x75ten"


@pytest.mark.parametrize(
    "fault", [faults.named(faults.stall, "stall", seconds=0.3), faults.named(faults.delay, "delay", seconds=0.3)]
)
def test_an_answer_comes_late(s3, bucket, fault):
    began = time.monotonic()
    assert ask(s3, bucket, fault)[1] == CONTENT and time.monotonic() - began >= 0.3


def get(number):
    return Request(f"GET /bucket/{number}?x-id=GetObject HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def test_draws_are_the_same_each_time_and_as_many_as_their_share():
    drawn = [[bool(Share(seed, 0.2, faults.reset)(get(number))) for number in range(2_000)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(300 < sum(each) < 500 for each in drawn)
    assert (
        Request(b"GET /b/runs/20260101T000000Z-0123abcd/plan.json HTTP/1.1\r\n\r\n").name()
        == "GET /b/runs/RUN/plan.json"
    )


def test_a_signature_is_that_of_the_request():
    """The example of a GET in "Signature Calculations"."""
    signature.SECRET, kept = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", signature.SECRET
    empty = hashlib.sha256(b"").hexdigest()
    request = Request(
        (
            "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nRange: bytes=0-9\r\n"
            f"x-amz-content-sha256: {empty}\r\nx-amz-date: 20130524T000000Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n\r\n"
        ).encode()
    )
    try:
        assert signature.fits(request)
        request.target = "/test.tx"
        assert not signature.fits(request)
    finally:
        signature.SECRET = kept
