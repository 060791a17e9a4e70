"""What costs time and nothing else: requests that are refused for a while, and bodies that break off."""

import concurrent.futures

import pytest

import faults
import images
from faults import Burst, Share
from proxy import Proxy

AT_ONCE = 8
# Of all requests.
SHARE = 0.15


@pytest.fixture(scope="module")
def many(s3):
    return s3.make_bucket("many-pictures", images.drawn(120))


@pytest.fixture(scope="module")
def plain(s3, many):
    """The result and the seconds of a run without faults, behind a proxy all the same."""
    with Proxy(s3.port) as proxy:
        ended = s3.run(proxy.url, many, s3.make_bucket("of-many"))
    assert ended.code == 0, str(ended)
    return s3.result("of-many"), ended.seconds


def has_body(request):
    return request.reads_object() or request.lists()


@pytest.mark.parametrize("fault", [faults.slow_down, faults.internal_error], ids=lambda fault: fault.__name__)
def test_refused_requests_slow_a_run_by_their_share_and_no_more(s3, many, plain, output, fault):
    result, seconds = plain
    with Proxy(s3.port, Share(1, SHARE, fault)) as proxy:
        ended = s3.run(proxy.url, many, output)
    share = len(proxy.injected) / len(proxy.requests)
    print(
        f"{seconds:.1f} s without faults, {ended.seconds:.1f} s with {len(proxy.injected)}, {share:.0%} of all requests"
    )
    assert ended.code == 0 and s3.result(output) == result, str(ended)
    assert 0.1 < share < 0.2
    assert ended.seconds < bound(seconds, proxy), proxy.log()


def bound(seconds, proxy):
    """Twice the time without faults, and 0.15 seconds for each of them: a tenth of a second on average passes before a
    request is made again, two before the next try."""
    return 2 * seconds + 0.15 * len(proxy.injected)


# So long nobody is answered, from the listing of the images, the middle of extraction and nearly the end on.
@pytest.mark.parametrize("after", [3, 100, 300])
def test_a_burst_of_refusals_costs_little_more_than_it_lasts(s3, many, plain, output, after):
    result, seconds = plain
    burst = 10
    with Proxy(s3.port, Burst(after, burst, faults.slow_down)) as proxy:
        ended = s3.run(proxy.url, many, output)
    print(f"{seconds:.1f} s without faults, {ended.seconds:.1f} s with {len(proxy.injected)} within {burst} s")
    assert ended.code == 0 and s3.result(output) == result, str(ended)
    assert proxy.injected
    # Who was refused just before its end may wait five seconds more.
    assert ended.seconds < 2 * seconds + burst + 5, proxy.log()


def broken_off(s3, many, seed):
    output = s3.make_bucket(f"resets-{seed}")
    with Proxy(s3.port, Share(seed, 0.2, faults.reset_amid, has_body)) as proxy:
        return s3.run(proxy.url, many, output), output, proxy


def test_a_fifth_of_all_bodies_may_break_off(s3, many, plain):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(lambda seed: broken_off(s3, many, seed), range(20)))
    failed = {seed: str(ended) for seed, (ended, _, _) in enumerate(runs) if ended.code != 0}
    assert not failed, f"{len(failed)} of {len(runs)}: {failed}"
    assert all(s3.result(output) == plain[0] for _, output, _ in runs)
    assert all(len(proxy.injected) > 20 for _, _, proxy in runs)
