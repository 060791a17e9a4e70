"""The emulator as tests see it: start it, deploy the project's template, start executions, look at what happened."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

import results

HERE = Path(__file__).parent
WORKSPACE = HERE.parents[1]
STAGES = ["plan", "list-batch", "sweep", "reduce", "project-map", "report"]
FUNCTIONS = [*STAGES, "erase", "trigger"]
MODEL = "mobilenet_v2_1.0_224_features.onnx"


def binaries():
    """Where `cargo build --release --workspace` puts the binaries; elsewhere by POMONA_BINARIES."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    return Path(os.environ.get("POMONA_BINARIES", target / "release"))


def require_binaries():
    missing = [
        name
        for name in ["pomona", *(f"pomona-{function}" for function in FUNCTIONS)]
        if not (binaries() / name).exists()
    ]
    if missing:
        raise FileNotFoundError(
            f"not built: {', '.join(missing)} at {binaries()}; run `cargo build --release --workspace`"
        )


def make_model(folder, *usage):
    """MobileNetV2 with untrained weights and the recipe of its use, in a folder of its own, under the name that the
    template's functions look for."""
    folder.mkdir(exist_ok=True)
    for command, options in [("untrained", []), ("recipe", usage)]:
        command = [binaries() / "pomona", "model", command, folder / MODEL, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return folder / MODEL


def until(look, what, seconds=60):
    """The first answer of `look` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.05)
    raise TimeoutError(f"no {what} within {seconds} seconds")


class Emulator:
    def __init__(self, folder, model):
        self.folder, self.model = folder, model
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_PAGER": "",
            "EMUL_LOG_DIR": str(folder),
        }
        self.log = open(folder / "emulator.log", "wb")
        # It ends when its standard input does, so also when this process is killed.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emul.server", str(port)],
            cwd=HERE,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
        )
        until(self.is_up, "emulator")
        self.stacks = []

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the emulator ended: {(self.folder / 'emulator.log').read_text()}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return urllib.request.urlopen(f"{self.url}/moto-api/", timeout=10).status == 200

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.log.close()

    def client(self, service, region="eu-west-1"):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                read_timeout=300,
                retries={"total_max_attempts": 1},
                max_pool_connections=8,
                s3={"addressing_style": "path"},
            ),
        )

    def control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/emulator/{path}", data, timeout=60) as answer:
            return json.load(answer)

    def aws(self, *arguments):
        command = [sys.executable, "-m", "awscli", *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def package(self):
        """The template as `sam build` would leave it, with its artefacts in a bucket."""
        packaged = self.folder / "packaged.yaml"
        if packaged.exists():
            return packaged.read_text()
        template = (WORKSPACE / "infra/template.yaml").read_text()
        for function in FUNCTIONS:
            code = self.folder / "build" / function
            code.mkdir(parents=True)
            shutil.copy(binaries() / f"pomona-{function}", code / "bootstrap")
            template = template.replace(f"../functions/{function}/", str(code))
        template = template.replace("../models/", str(self.model.parent)).replace(
            "../statemachine/", f"{WORKSPACE}/statemachine/"
        )
        built = self.folder / "built.yaml"
        built.write_text(template)
        self.client("s3").create_bucket(
            Bucket="artefacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        self.aws(
            "cloudformation",
            "package",
            "--template-file",
            built,
            "--s3-bucket",
            "artefacts",
            "--output-template-file",
            packaged,
        )
        return packaged.read_text()

    def deploy(self, name, region="eu-west-1", **parameters):
        given = [
            {"ParameterKey": key, "ParameterValue": str(value)}
            for key, value in {"Architecture": "x86_64", **parameters}.items()
        ]
        self.client("cloudformation", region).create_stack(
            StackName=name, TemplateBody=self.package(), Parameters=given, Capabilities=["CAPABILITY_IAM"]
        )
        self.stacks.append(Stack(self, name, region))
        return self.stacks[-1]


class Stack:
    """A deployed stack."""

    def __init__(self, emulator, name, region):
        self.emulator, self.name, self.region = emulator, name, region
        self.s3, self.sfn = emulator.client("s3", region), emulator.client("stepfunctions", region)
        description = until(self.is_complete, "complete stack")
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
        self.input, self.output = (self.outputs[key].split("/")[2] for key in ("InputLocation", "OutputLocation"))

    def is_complete(self):
        [stack] = self.emulator.client("cloudformation", self.region).describe_stacks(StackName=self.name)["Stacks"]
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    # ---- images and results
    def upload(self, images):
        """Images by key: paths or bytes."""
        for key, content in images.items():
            self.s3.put_object(
                Bucket=self.input, Key=key, Body=content if isinstance(content, bytes) else Path(content).read_bytes()
            )

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.output, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key):
        return self.s3.get_object(Bucket=self.output, Key=key)["Body"].read()

    def result(self, report):
        """The result of a run (see `results.py`)."""
        folder = report["run"]
        return results.of({key.removeprefix(f"{folder}/"): self.read(key) for key in self.keys(f"{folder}/")})

    # ---- executions
    def start(self, **request):
        """Starts an execution with two children at a time: this machine has two cores."""
        request = json.dumps({"max_concurrency": 2, **request})
        return self.sfn.start_execution(stateMachineArn=self.outputs["StateMachineArn"], input=request)["executionArn"]

    def wait(self, execution, seconds=240):
        def ended():
            described = self.sfn.describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        return until(ended, "end of the execution", seconds)

    def run(self, **request):
        return self.wait(self.start(**request))

    def succeed(self, **request):
        """The report of a run that has to succeed."""
        ended = self.run(**request)
        assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
        return json.loads(ended["output"])

    def problem(self, ended):
        """What an error said: the execution knows only where that lies."""
        key = re.search(rf"s3://{self.output}/(\S+/problems/\S+\.json)", ended["cause"])[1]
        problem = json.loads(self.read(key))
        assert problem["error"] == ended["error"]
        return problem["message"]

    def redrive(self, execution):
        """Lets an execution that failed go on in the state that failed, with that state's input.

        That is what RedriveExecution does, which the emulator lacks: so it goes on in a state machine that begins there.
        """
        entered = [event for event in self.history(execution) if "stateEnteredEventDetails" in event][-1]
        failed = entered["stateEnteredEventDetails"]
        machine = self.sfn.describe_state_machine(stateMachineArn=self.outputs["StateMachineArn"])
        definition = json.loads(machine["definition"])
        began = entered["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
        variables = {f"{stage}_started": began for stage in ("plan", "extract", "combine", "sweep", "reduce", "project")}
        assign = {"replans": 0, "level": 1, **variables}
        definition["States"]["Start"] = {"Type": "Pass", "Assign": assign, "Next": failed["name"]}
        rest = self.sfn.create_state_machine(
            name=f"{self.name}-{failed['name']}", definition=json.dumps(definition), roleArn=machine["roleArn"]
        )["stateMachineArn"]
        return self.wait(self.sfn.start_execution(stateMachineArn=rest, input=failed["input"])["executionArn"])

    def succeed_by_redrive(self, match, **request):
        """A run of which a sweep whose event holds `match` fails until it is redriven: its report, and what was swept then."""
        defect = {"errorType": "Pomona.Internal", "errorMessage": "internal error: in a pass; please report it"}
        with self.faults({"function": "sweep", "kind": "error", "answer": defect, "times": 100, "match": match}):
            ended = self.run(**request)
        assert ended["status"] == "FAILED"
        before = len(self.invocations("sweep"))
        redriven = self.redrive(ended["executionArn"])
        assert redriven["status"] == "SUCCEEDED", f"{redriven.get('error')}: {redriven.get('cause')}"
        assert len(self.plans()) == 1, "a redrive plans nothing"
        swept = [invocation["event"]["group"] for invocation in self.invocations("sweep")[before:]]
        return json.loads(redriven["output"]), swept

    def history(self, execution):
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    # ---- Lambdas
    def invocations(self, function):
        name = f"{self.name}-{function}"
        return [invocation for invocation in self.emulator.control("invocations") if invocation["function"] == name]

    def plans(self):
        """Invocations of the plan that planned, and did not just check what a Map left."""
        return [invocation for invocation in self.invocations("plan") if "execution" in invocation["event"]]

    @contextlib.contextmanager
    def faults(self, *faults):
        self.emulator.control("faults", [{**fault, "function": f"{self.name}-{fault['function']}"} for fault in faults])
        try:
            yield
        finally:
            self.emulator.control("faults", [])

    # ---- what starts by itself
    def executions(self):
        """Oldest first."""
        found = self.sfn.list_executions(stateMachineArn=self.outputs["StateMachineArn"])["executions"]
        return sorted(found, key=lambda execution: execution["startDate"])

    def outcomes(self):
        """What became of the batches that the trigger was given."""
        return [
            invocation["answer"].get("outcome")
            for invocation in self.invocations("trigger")
            if "Records" in invocation["event"]
        ]

    def messages(self):
        """How many wait in the queue of uploads: seen by nobody yet, delayed, being worked on."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        queue = self.emulator.client("sqs", self.region)
        found = queue.get_queue_attributes(QueueUrl=self.outputs["UploadsQueueUrl"], AttributeNames=names)["Attributes"]
        return [int(found[name]) for name in names]

    def settle(self, outcomes):
        """Waits until the trigger has worked on so many batches and no message is left but delayed ones."""
        until(lambda: len(self.outcomes()) >= outcomes and self.messages()[::2] == [0, 0], f"{outcomes} batches")
        return self.outcomes()

    def hurry(self):
        """Lets time pass for the trigger: what is delayed or hidden in its queue arrives, and its file about that is from long ago."""
        self.s3.delete_object(Bucket=self.output, Key="follow-up.json")
        return self.emulator.control("hurry", [self.region, self.outputs["UploadsQueueUrl"].split("/")[-1]])

    def at_once(self):
        """While this lasts the trigger waits, so that all that happens meanwhile has happened before a run starts."""
        return self.faults({"function": "trigger", "kind": "hold"})

    def configure(self, function, **variables):
        """Sets environment variables of a function."""
        functions, name = self.emulator.client("lambda", self.region), {"FunctionName": f"{self.name}-{function}"}
        settings = functions.get_function_configuration(**name)["Environment"]["Variables"]
        functions.update_function_configuration(**name, Environment={"Variables": {**settings, **variables}})

    # ---- messages
    def listen(self):
        """A queue that hears what the topic says."""
        sqs, sns = self.emulator.client("sqs", self.region), self.emulator.client("sns", self.region)
        queue = sqs.create_queue(QueueName=f"{self.name}-listener")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

        def message():
            received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages", [])
            for each in received:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
            return json.loads(received[0]["Body"])["Message"] if received else None

        return lambda: until(message, "message from the topic", 20)
