"""What never comes back: a run ends within two minutes and says who did not serve it.

All runs of this file wait at the same time, each for its own proxy.
"""

import concurrent.futures
import socket

import pytest

import faults
import images
import world
from faults import Rules
from proxy import Proxy

# So many requests of a run have been answered when the network goes away amid it.
AMID = 75


def every(request):
    return True


def later(request):
    return request.number >= AMID


def one_image(request):
    return request.key.endswith("003.jpg")


def own_file(request):
    return request.method == "GET" and request.key.endswith("/plan.json")


def own_write(request):
    return request.method == "PUT" and request.key.endswith("/plan.json")


def listing(request):
    return request.lists()


def part_of_upload(request):
    return "uploadId" in request.query


HANGING = {
    "no_answer": Rules((every, faults.never)),
    "no_answer_amid_a_run": Rules((later, faults.never)),
    "no_answer_about_an_image": Rules((one_image, faults.never)),
    "no_answer_to_a_write": Rules((own_write, faults.never)),
    "nobody_listens_amid_a_run": Rules((lambda request: request.number == AMID, faults.vanish), (later, faults.reset)),
    "nothing_is_read_of_an_upload": Rules((part_of_upload, faults.deaf)),
    "stalled_listing": Rules((listing, faults.stall)),
    "stalled_image": Rules((one_image, faults.stall)),
    "stalled_own_file": Rules((own_file, faults.stall)),
    "every_request_reset": Rules((every, faults.reset)),
    "every_request_closed": Rules((every, faults.close)),
    "image_cut_each_time": Rules((one_image, faults.cut)),
    "image_reset_each_time": Rules((one_image, faults.reset_amid)),
}
REFUSING = {
    "slow_down": Rules((every, faults.slow_down)),
    "slow_down_amid_a_run": Rules((later, faults.slow_down)),
    "internal_error": Rules((every, faults.internal_error)),
    "internal_error_amid_a_run": Rules((later, faults.internal_error)),
    "slow_down_about_an_image": Rules((one_image, faults.slow_down)),
}


@pytest.fixture(scope="module")
def nowhere():
    """Endpoints that cannot be reached: a closed port, and one whose queue of connections is full."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for connection in waiting:
        connection.setblocking(False)
        connection.connect_ex(full.getsockname())
    yield {"nobody_listens": f"127.0.0.1:{world.free_port()}", "no_connection": f"127.0.0.1:{full.getsockname()[1]}"}
    for connection in [full, *waiting]:
        connection.close()


@pytest.fixture(scope="module")
def runs(request, s3, pictures, nowhere):
    """A run for each test that was asked for."""
    few = s3.make_bucket("few-pictures", images.drawn(8))

    def behind_proxy(name, rules):
        output = s3.make_bucket(name.replace("_", "-"))
        with Proxy(s3.port, rules) as proxy:
            if rules is HANGING["nothing_is_read_of_an_upload"]:
                return s3.run(proxy.url, few, output, model="pixels"), proxy.host, proxy
            return s3.run(proxy.url, pictures, output), proxy.host, proxy

    def to_nowhere(name, host):
        return s3.run(f"http://{host}", pictures, s3.make_bucket(name.replace("_", "-"))), host, None

    wanted = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
        cases = {**HANGING, **REFUSING}
        yield {
            name: (
                pool.submit(to_nowhere, name, nowhere[name])
                if name in nowhere
                else pool.submit(behind_proxy, name, cases[name])
            )
            for name in wanted
        }


def outcome(runs, name):
    ended, host, proxy = runs[name].result()
    print(proxy.log() if proxy else "")
    print(ended)
    assert ended.code == 1, str(ended)
    assert "panicked" not in ended.errors
    [error] = [line for line in ended.errors.splitlines() if line.startswith("error: ")]
    return error, host


@pytest.mark.parametrize("name", ["nobody_listens", "no_connection", *HANGING])
def test_a_permanent_hang_ends_within_two_minutes_with_the_hosts_name(runs, name):
    error, host = outcome(runs, name)
    assert host in error and "try again later" in error


@pytest.mark.parametrize("name", REFUSING)
def test_a_service_that_refuses_for_good_is_given_up_within_two_minutes(runs, name):
    error, _ = outcome(runs, name)
    assert "s3://" in error and ("SlowDown" in error or "InternalError" in error)
