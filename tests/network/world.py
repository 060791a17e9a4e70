"""Buckets as moto plays them, the program, and what tests ask about both."""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import boto3
from botocore.config import Config

HERE = Path(__file__).parent
WORKSPACE = HERE.parents[1]
sys.path.append(str(WORKSPACE / "tests/emulator"))

import results  # noqa: E402

REGION = "eu-west-1"
# moto looks whether a request is signed, not how.
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/s3/aws4_request"}
# So long may any run take, whatever the network does.
BOUND = 120


def program():
    """Where `cargo build --release` puts it; elsewhere by POMONA_BINARIES."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    found = Path(os.environ.get("POMONA_BINARIES", target / "release")) / "pomona"
    if not found.exists():
        raise FileNotFoundError(f"not built: {found}; run `cargo build --release --package pomona`")
    return found


def environment(endpoint):
    """What the program finds in its environment: nothing of this machine's AWS, no proxy, and one endpoint."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"AWS_|POMONA_|.*_PROXY$", name, re.I)}
    return {
        **kept,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclasses.dataclass
class Ended:
    """What a run came to. `code` is None where it was ended because it took longer than it may."""

    code: int | None
    errors: str
    seconds: float

    def __str__(self):
        return f"{self.code} after {self.seconds:.1f} s: {self.errors}"


class World:
    """The S3 that lies behind all proxies, and the models that runs compute with."""

    def __init__(self, folder, models):
        self.folder, self.port = folder, free_port()
        for name, model in models.items():
            (folder / f"{name}.onnx").write_bytes(model)
        self.log = open(folder / "s3.log", "wb")
        # It ends when its standard input does, so also when this process is killed.
        self.process = subprocess.Popen(
            [sys.executable, HERE / "s3_server.py", str(self.port)],
            env=environment(""),
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
        )
        self.wait_until_up(folder / "s3.log")
        self.s3 = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            # Without a checksum, as most images in buckets are.
            config=Config(
                request_checksum_calculation="when_required",
                proxies={},
                max_pool_connections=32,
                retries={"total_max_attempts": 1},
            ),
        )

    def wait_until_up(self, log):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise RuntimeError(f"moto did not start: {log.read_text()}")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.log.close()

    # ---- buckets
    def make_bucket(self, name, files=None):
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, content in (files or {}).items():
            self.put(name, key, content)
        return name

    def put(self, bucket, key, content):
        """As it is: boto3 would make `b` of `a/../b`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("PUT", f"/{bucket}/{urllib.parse.quote(key)}", content, SIGNED)
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"{key!r}: {answer.status} {answer.read()}")

    def files(self, bucket, prefix=""):
        """Bytes by key, without the prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {key.removeprefix(prefix): self.read(bucket, key) for key in keys}

    def read(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def newest(self, bucket, prefix=""):
        """The files of the newest run."""
        return self.files(bucket, prefix + json.loads(self.read(bucket, f"{prefix}latest.json"))["folder"] + "/")

    def result(self, bucket, prefix=""):
        return results.of(self.newest(bucket, prefix))

    # ---- the program
    def run(self, endpoint, images, output, *options, model="colours", shard_size=8, seconds=BOUND):
        """`pomona run` on one bucket into another, with S3 at that endpoint."""
        chosen = ["--model", self.folder / f"{model}.onnx", "--components", "2", "--shard-size", str(shard_size)]
        command = [program(), "run", f"s3://{images}", f"s3://{output}", *chosen, *options]
        return execute(command, endpoint, seconds)

    def succeed(self, endpoint, images, output, *options, **how):
        ended = self.run(endpoint, images, output, *options, **how)
        assert ended.code == 0, str(ended)
        return self.result(output)

    @property
    def url(self):
        """Straight to S3, past all proxies."""
        return f"http://127.0.0.1:{self.port}"


def execute(command, endpoint, seconds):
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, env=environment(endpoint), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as slow:
        return Ended(None, (slow.stderr or b"").decode(), time.monotonic() - began)
    return Ended(done.returncode, done.stderr, time.monotonic() - began)
