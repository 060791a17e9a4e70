"""Lambda: each execution environment is a process that runs the deployed `bootstrap` against its own Runtime API."""

import dataclasses
import functools
import io
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from moto.awslambda import models as moto_lambda

LOG_DIR = os.environ.get("EMUL_LOG_DIR") or tempfile.mkdtemp(prefix="emul-logs-")
LOCK = threading.Lock()
BOXES, FOLDERS = set(), {}
FAULTS, INVOCATIONS = [], []
# What can be called again without a cold start: what and where, the longest idle first.
IDLE = []
# Each that is there costs memory and two threads.
MOST_IDLE = 32


def endpoint():
    return f"http://127.0.0.1:{os.environ['MOTO_PORT']}"


_making = threading.Lock()


@functools.cache
def _client(service, region, caller):
    config = Config(
        parameter_validation=False,
        retries={"total_max_attempts": 1},
        max_pool_connections=64,
        connect_timeout=900,
        read_timeout=900,
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint(),
        aws_access_key_id=caller,
        aws_secret_access_key="secret",
        config=config,
    )


def client(service, region, caller):
    """One client per service (making one takes 50 ms), signed as whoever calls, which the recorder sees."""
    with _making:
        return _client(service, region, caller)


def error(kind, message):
    return True, json.dumps({"errorType": kind, "errorMessage": message}).encode()


class Sandbox:
    """One execution environment."""

    def __init__(self, function):
        self.function, self.todo, self.done = function, queue.Queue(), queue.Queue()
        self.ready = None
        self.api = ThreadingHTTPServer(("127.0.0.1", 0), runtime_api(self))
        self.api.daemon_threads = True
        # It looks so seldom whether it should end because nobody waits for that.
        threading.Thread(target=self.api.serve_forever, kwargs={"poll_interval": 5}, daemon=True).start()
        code, layers = (
            folder(function.code_sha_256, function.code_bytes),
            [folder(layer.code_sha_256, layer.code_bytes) for layer in layers_of(function)],
        )
        os.chmod(f"{code}/bootstrap", 0o755)
        with open(os.path.join(LOG_DIR, f"{function.function_name}.log"), "ab") as log:
            self.started = time.time()
            self.process = subprocess.Popen(
                [f"{code}/bootstrap"],
                cwd=code,
                env=self.environment(code, layers),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with LOCK:
            BOXES.add(self)

    def environment(self, code, layers):
        function = self.function
        settings = {name: str(value) for name, value in function.environment_vars.items()}
        for name, value in settings.items():  # there is no /opt of its own for a process without a container
            if value.startswith("/opt/"):
                settings[name] = next(
                    (f"{layer}{value[4:]}" for layer in layers if os.path.exists(f"{layer}{value[4:]}")), value
                )
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": code,
            "_HANDLER": "bootstrap",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            # The access key tells the recorder who calls.
            "AWS_ACCESS_KEY_ID": function.function_name,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": endpoint(),
            **settings,
        }

    def invoke(self, event, limit):
        """(failed, answer); a sandbox that died on the way is closed."""
        request, deadline = str(uuid.uuid4()), time.time() + limit
        self.todo.put((request, event, deadline))
        while True:
            try:
                return self.done.get(timeout=min(0.2, max(0.01, deadline - time.time())))
            except queue.Empty:
                if self.process.poll() is not None:
                    return self.died(request)
                if time.time() >= deadline:
                    self.close()
                    return error(
                        "Sandbox.Timedout", f"RequestId: {request} Error: Task timed out after {limit:.2f} seconds"
                    )

    def died(self, request="-"):
        self.close()
        return error(
            "Runtime.ExitError", f"RequestId: {request} Error: Runtime exited with error: {self.process.returncode}"
        )

    def peak_mb(self):
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                return int(status.read().split("VmHWM:")[1].split()[0]) // 1024
        except (OSError, IndexError):
            return 0

    def cpu_ms(self):
        """What the process has computed so far."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as stat:
                user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
                return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return 0

    def init_ms(self):
        """From the start of the process to its first question for an event."""
        return 1000 * (self.ready - self.started) if self.ready else None

    def close(self):
        with LOCK:
            BOXES.discard(self)
        self.process.kill()
        self.process.wait()
        self.todo.put((None, None, None))
        threading.Thread(target=self.stop_api, daemon=True).start()

    def stop_api(self):
        self.api.shutdown()
        self.api.server_close()


def runtime_api(box):
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def answer(self, code, body, **headers):
            lines = [f"HTTP/1.1 {code} OK", f"Content-Length: {len(body)}", "Content-Type: application/json"]
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

        def do_GET(self):  # .../runtime/invocation/next
            box.ready = box.ready or time.time()
            request, event, deadline = box.todo.get()
            if request is None:
                self.close_connection = True
                return
            self.answer(
                200,
                event,
                Lambda_Runtime_Aws_Request_Id=request,
                Lambda_Runtime_Deadline_Ms=int(deadline * 1000),
                Lambda_Runtime_Invoked_Function_Arn=box.function.function_arn,
                Lambda_Runtime_Trace_Id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            )

        def do_POST(self):  # .../{request}/response, .../{request}/error, .../init/error
            body = self.body()
            self.answer(202, b'{"status":"OK"}')
            box.done.put((self.path.endswith("/error"), body))

        def body(self):
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

    return Api


def layers_of(function):
    backend = moto_lambda.lambda_backends[function.account_id][function.region]
    return [backend.layers_versions_by_arn(layer["Arn"]) for layer in function.layers]


def folder(digest, content):
    """The unpacked zip."""
    with LOCK:
        if digest not in FOLDERS:
            FOLDERS[digest] = tempfile.mkdtemp(prefix="emul-code-")
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(FOLDERS[digest])
        return FOLDERS[digest]


@dataclasses.dataclass(eq=False)
class Fault:
    """What shall go wrong with the next `times` invocations of a function whose event holds the text `match`.

    error        the function does not run and answers `answer`
    crash        its process is killed `after` seconds into the invocation
    lost_answer  it runs to its end, but its answer is lost with its process
    timeout      its time is over after `after` seconds
    twice        it runs twice at the same time; the second answer counts
    hold         it waits until the fault is taken away, 60 seconds at most
    """

    function: str
    kind: str
    times: int = 1
    match: str = ""
    after: float = 0.02
    answer: dict = dataclasses.field(default_factory=dict)


def take_fault(name, event):
    with LOCK:
        for fault in FAULTS:
            if fault.times > 0 and name == fault.function and fault.match in event:
                fault.times -= 1
                return fault
    return None


def take_idle(key):
    """A sandbox that is of this key and idle, the one that was at work last."""
    with LOCK:
        found = next((index for index in reversed(range(len(IDLE))) if IDLE[index][0] == key), None)
        return None if found is None else IDLE.pop(found)[1]


def let_idle(key, box):
    """Keeps a sandbox that is alive, and lets one go that nobody has called for longest."""
    with LOCK:
        if box in BOXES:
            IDLE.append((key, box))
        oldest = IDLE.pop(0)[1] if len(IDLE) > MOST_IDLE else None
    if oldest:
        oldest.close()


def in_sandbox(function, event, limit, kill_after=None, lose_answer=False):
    key = (function.function_arn, function.code_sha_256, json.dumps(function.environment_vars, sort_keys=True))
    box = take_idle(key)
    cold, started = box is None, time.time()
    box = box or Sandbox(function)
    cpu_before = box.cpu_ms()
    killer = threading.Timer(kill_after, box.process.kill) if kill_after is not None else None
    if killer:
        killer.start()
    failed, answer = box.invoke(event.encode(), limit)
    if killer:
        killer.cancel()
    ms, cpu_ms, peak_mb = 1000 * (time.time() - started), box.cpu_ms() - cpu_before, box.peak_mb()
    if lose_answer and box in BOXES:
        failed, answer = box.died()
    elif peak_mb > int(function.memory_size):
        box.close()
        failed, answer = error("Runtime.ExitError", f"Runtime exited: out of memory, {peak_mb} MB")
    with LOCK:
        INVOCATIONS.append(
            {
                "function": function.function_name,
                "event": json.loads(event),
                "answer": json.loads(answer),
                "failed": failed,
                "cold": cold,
                "ms": ms,
                "cpu_ms": cpu_ms,
                "init_ms": box.init_ms() if cold else None,
                "peak_mb": peak_mb,
                "memory_mb": int(function.memory_size),
            }
        )
    if killer and box in BOXES:  # it may be killed just now
        box.close()
    let_idle(key, box)
    return failed, answer


def invoke(function, event):
    limit, fault = float(function.timeout), take_fault(function.function_name, event)
    match fault.kind if fault else None:
        case None:
            return in_sandbox(function, event, limit)
        case "error":
            return True, json.dumps(fault.answer).encode()
        case "crash":
            return in_sandbox(function, event, limit, kill_after=fault.after)
        case "lost_answer":
            return in_sandbox(function, event, limit, lose_answer=True)
        case "timeout":
            return in_sandbox(function, event, fault.after)
        case "hold":
            deadline = time.time() + 60
            while fault in FAULTS and time.time() < deadline:
                time.sleep(0.02)
            return in_sandbox(function, event, limit)
        case "twice":
            first = threading.Thread(target=in_sandbox, args=(function, event, limit))
            first.start()
            second = in_sandbox(function, event, limit)
            first.join()
            return second
    raise ValueError(f"no such fault: {fault.kind}")


def _invoke_lambda(self, event=None):
    failed, answer = invoke(self, json.dumps(event if event is not None else {}))
    return answer.decode(), failed, ""


def close_all():
    for box in list(BOXES):
        try:
            box.close()
        except OSError as problem:
            print(f"emul: {problem}", file=sys.stderr)


moto_lambda.LambdaFunction._invoke_lambda = _invoke_lambda
