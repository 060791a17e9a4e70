"""Writes whose answer is lost, and writes that somebody else was quicker with: a run tells one from the other."""

import concurrent.futures
import datetime
import json

import pytest

import faults
import images
from faults import Rules, of
from proxy import Proxy

NOW = datetime.datetime.now(datetime.UTC)
# A run's own time until it renews its lock is 20 seconds.
LONG = 26


def lock(until):
    """A lock of somebody else, as it stands in lock.json."""
    return json.dumps(
        {
            "run_id": "20260101T000000Z-0000abcd",
            "holder": "somebody else",
            "since": (until - datetime.timedelta(hours=1)).isoformat(),
            "until": until.isoformat(),
        }
    ).encode()


HELD, VOID = lock(NOW + datetime.timedelta(hours=1)), lock(NOW - datetime.timedelta(hours=1))


def is_write(request):
    return request.method in ("PUT", "POST", "DELETE")


def first_write(request):
    return is_write(request) and request.seen == 0


def quicker(s3, bucket):
    """Somebody else takes the lock, and the request is lost before it reaches S3."""

    async def overtaken(exchange):
        s3.put(bucket, "lock.json", HELD)
        exchange.reset()

    return overtaken


def refused_as_busy(ended):
    """A run that found the output in use says by whom."""
    assert ended.code == 1, str(ended)
    assert "somebody else" in ended.errors and "20260101T000000Z-0000abcd" in ended.errors


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_lock_whose_answer_was_lost_is_the_runs_own(s3, pictures, output, undisturbed, times):
    with Proxy(s3.port, Rules((of("PUT", "lock.json", times), faults.lost_answer))) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert len(proxy.injected) == times
    assert "lock.json" not in s3.files(output)


@pytest.mark.parametrize("fault", [faults.lost_answer, faults.conflict, faults.reset], ids=lambda fault: fault.__name__)
def test_a_void_lock_is_taken_over_whatever_becomes_of_the_answer(s3, pictures, output, undisturbed, fault):
    s3.put(output, "lock.json", VOID)
    # The second write of the lock replaces what the first one came across.
    with Proxy(s3.port, Rules((lambda request: of("PUT", "lock.json", 3)(request), fault))) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert len(proxy.injected) == 3


def test_a_lock_that_somebody_else_holds_is_told_though_answers_are_lost(s3, pictures, output):
    s3.put(output, "lock.json", HELD)
    with Proxy(s3.port, Rules((of("PUT", "lock.json", 2), faults.lost_answer))) as proxy:
        refused_as_busy(s3.run(proxy.url, pictures, output))
    assert proxy.injected and s3.read(output, "lock.json") == HELD


@pytest.mark.parametrize("before", [None, VOID], ids=["create", "replace"])
def test_somebody_who_was_quicker_is_told_from_an_own_write(s3, pictures, output, before):
    if before:
        s3.put(output, "lock.json", before)
    # Where a lock is there, the first write asks whether there is none.
    at = 1 if before else 0
    rules = Rules((lambda request: of("PUT", "lock.json", 9)(request) and request.seen == at, quicker(s3, output)))
    with Proxy(s3.port, rules) as proxy:
        refused_as_busy(s3.run(proxy.url, pictures, output))
    assert len(proxy.injected) == 1 and s3.read(output, "lock.json") == HELD


def test_the_answer_to_each_write_of_a_run_may_be_lost(s3, pictures, output, undisturbed):
    with Proxy(s3.port, Rules((first_write, faults.lost_answer))) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert len(proxy.injected) > 40


def test_errors_that_follow_a_200_are_noticed(s3, pictures, output, undisturbed):
    copies = Rules((lambda request: request.header("x-amz-copy-source") and request.seen == 0, faults.late_error))
    with Proxy(s3.port, copies) as proxy:
        assert s3.succeed(proxy.url, pictures, output) == undisturbed
    assert len(proxy.injected) == 4


@pytest.fixture(scope="module")
def few(s3):
    """Pictures whose wide features are written in parts."""
    return s3.make_bucket("few-to-write", images.drawn(8))


@pytest.fixture(scope="module")
def wide(s3, few):
    """The result of them without faults."""
    return s3.succeed(s3.url, few, s3.make_bucket("wide"), model="pixels")


def step(request):
    """Of an upload in parts: that it begins, a part, that it is complete."""
    if request.method == "POST":
        return "begin" if "uploads" in request.query else "complete"
    return "part" if "partNumber" in request.query else None


FAULTS = [faults.lost_answer, faults.reset, faults.internal_error, faults.slow_down]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_upload_in_parts_outlives_a_fault_in_each_step(s3, few, wide, output, fault):
    with Proxy(s3.port, Rules((lambda request: step(request) and request.seen == 0, fault))) as proxy:
        assert s3.succeed(proxy.url, few, output, model="pixels") == wide
    # Two objects of three parts.
    assert len(proxy.injected) == 10


def test_an_upload_that_is_completed_with_an_error_after_200_is_tried_again(s3, few, wide, output):
    complete = Rules((lambda request: step(request) == "complete" and request.seen == 0, faults.late_error))
    with Proxy(s3.port, complete) as proxy:
        assert s3.succeed(proxy.url, few, output, model="pixels") == wide
    assert len(proxy.injected) == 2


def test_an_upload_that_is_gone_because_it_is_complete_has_succeeded(s3, few, wide, output):
    """S3 says so of an upload that was completed by an attempt whose answer was lost (API reference, NoSuchUpload)."""
    is_complete = Rules(
        (lambda request: step(request) == "complete" and request.seen == 0, faults.lost_answer),
        (lambda request: step(request) == "complete" and request.seen == 1, faults.no_such_upload),
    )
    with Proxy(s3.port, is_complete) as proxy:
        assert s3.succeed(proxy.url, few, output, model="pixels") == wide
    assert len(proxy.injected) == 4


def slowly(s3, few, output, name, fault):
    """A run that takes longer than its lock is renewed after, and a fault in that renewal."""
    renewal = {
        "lost": lambda request: of("PUT", "lock.json", 9)(request) and request.seen == 1,
        "taken": lambda request: of("GET", "lock.json", 1)(request),
    }[name]
    slow = faults.named(faults.delay, "delay", seconds=LONG)
    rules = Rules((renewal, fault), (lambda request: request.key.endswith("000.jpg"), slow))
    with Proxy(s3.port, rules) as proxy:
        return s3.run(proxy.url, few, output), proxy


def test_a_lock_is_renewed_though_the_answer_is_lost_and_given_up_where_it_was_taken(s3, few):
    outputs = [s3.make_bucket(f"renewed-{name}") for name in ("undisturbed", "lost", "taken")]

    async def taken(exchange):
        s3.put(outputs[2], "lock.json", HELD)
        await exchange.send(await exchange.forward())

    expected = s3.succeed(s3.url, few, outputs[0])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lost = pool.submit(slowly, s3, few, outputs[1], "lost", faults.lost_answer)
        others = pool.submit(slowly, s3, few, outputs[2], "taken", taken)
    ended, proxy = lost.result()
    assert ended.code == 0 and s3.result(outputs[1]) == expected, str(ended)
    assert any(fault == "lost_answer" for _, fault, _ in proxy.injected), "the lock was not renewed"
    ended, _ = others.result()
    refused_as_busy(ended)
    assert s3.read(outputs[2], "lock.json") == HELD
