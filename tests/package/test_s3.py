"""Images and results in S3, which moto plays."""

import boto3
import numpy as np
import polars
import pytest
from moto.server import ThreadedMotoServer

import pomona

REGION = "eu-west-1"


@pytest.fixture
def s3(monkeypatch):
    """A bucket, and what programs find in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "NO_PROXY": host,
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(Bucket="images", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield client
    server.stop()


def test_what_lies_in_s3_is_as_what_lies_in_folders(run, images, s3):
    for path in images.rglob("*.png"):
        s3.upload_file(str(path), "images", f"fruits/{path.relative_to(images)}")
    options = {"untrained": True, "components": 4, "shard_size": 8, "progress": False}
    there = pomona.run("s3://images/fruits", "s3://images/results", **options)
    assert there == pomona.open("s3://images/results") == pomona.open(f"s3://images/results/runs/{there.run_id}")
    assert polars.DataFrame(there.components()).equals(polars.DataFrame(run.components()))
    assert np.array_equal(there.pca().transform(run.features().matrix()), run.components().matrix())
    assert there.search(images / "kiwi" / "3.png", 1)[0].path == "kiwi/3.png"
    with pytest.raises(pomona.BadInput, match="no run was successful yet"):
        pomona.open("s3://images/nothing")
    with pytest.raises(pomona.BadInput, match="none"):
        pomona.open("s3://none/results")
