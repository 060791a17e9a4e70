"""Credentials that end amid the work say nothing of the images and files that were asked for next."""

import functools
import itertools

import pytest

import world
from faults import Rules, named
from proxy import Answer, Proxy

CODES = {"ExpiredToken": 400, "InvalidAccessKeyId": 403, "SignatureDoesNotMatch": 403}


async def refuse(exchange, code):
    await exchange.send(Answer.error(CODES[code], code, "The provided token has expired."))


def refused(code):
    return named(refuse, code, code=code)


def from_then_on(first, code):
    """All requests behind the first so many are refused."""
    return Rules((lambda request: request.number >= first, refused(code)))


def assert_said(ended):
    assert ended.code == 1 and "needs AWS credentials that work" in ended.errors, str(ended)
    assert "AWS_PROFILE" in ended.errors and "panicked" not in ended.errors, str(ended)


@functools.cache
def requests_of_a_run(s3, pictures):
    with Proxy(s3.port) as proxy:
        s3.succeed(proxy.url, pictures, s3.make_bucket("counted"))
    return len(proxy.requests)


@pytest.mark.parametrize("share", [0, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("code", CODES)
def test_a_run_ends_and_the_same_command_goes_on(s3, pictures, undisturbed, output, code, share):
    first = int(requests_of_a_run(s3, pictures) * share)
    with Proxy(s3.port, from_then_on(first, code)) as proxy:
        assert_said(s3.run(proxy.url, pictures, output, "--max-reject-share", "1"))
    # Whoever lost its credentials could not give the lock back; what it names is over after 90 s.
    if "lock.json" in s3.files(output):
        s3.s3.delete_object(Bucket=output, Key="lock.json")
    assert s3.succeed(s3.url, pictures, output) == undisturbed


def test_where_only_images_are_refused_none_is_taken_for_unreadable(s3, pictures, undisturbed, output):
    def reads_an_image(request):
        return request.bucket == pictures and request.reads_object()

    counted = itertools.count()
    rules = Rules((lambda request: reads_an_image(request) and next(counted) >= 5, refused("ExpiredToken")))
    with Proxy(s3.port, rules) as proxy:
        assert_said(s3.run(proxy.url, pictures, output, "--max-reject-share", "1"))
    assert s3.succeed(s3.url, pictures, output) == undisturbed


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_verify_calls_nothing_damaged_that_it_may_not_read(s3, pictures, output, share):
    s3.succeed(s3.url, pictures, output)
    before = s3.files(output)

    def verify(endpoint):
        return world.execute([world.program(), "verify", f"s3://{output}", "--repair", "--json"], endpoint, world.BOUND)

    with Proxy(s3.port) as proxy:
        assert verify(proxy.url).code == 0
    with Proxy(s3.port, from_then_on(int(len(proxy.requests) * share), "ExpiredToken")) as proxy:
        assert_said(verify(proxy.url))
    after = s3.files(output)
    after.pop("lock.json", None)
    assert after == before
