"""SQS: Lambda gathers messages to batches, where moto hands over each by itself the moment it is sent.

A batch is what arrives within WINDOW seconds, which here is shorter than any window of AWS. One batch is worked on at a time. `hurry` makes
time pass for a queue: what is delayed or hidden in it arrives now, but for what is being worked on, because AWS asks for a visibility timeout
that is longer than the function may take. (Without this, a batch could hold a message several times, until it went to the dead letters.)
"""

import collections
import json
import threading
import time

from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.sqs.models import Queue, sqs_backends

from . import lambdas

WINDOW = 0.5
ATTRIBUTES = ["ApproximateReceiveCount", "SentTimestamp"]
WORK = collections.defaultdict(threading.Lock)  # held while a batch of the queue is gathered and worked on

# ---- moto's deletion makes a new list of messages, and what is sent meanwhile would be lost with the old one
_delete = Queue.delete_message


def delete_message(self, receipt_handle):
    with self._messages_lock:
        _delete(self, receipt_handle)


Queue.delete_message = delete_message

_create_mapping = LambdaBackend.create_event_source_mapping


def create_mapping(self, spec):
    mapping = _create_mapping(self, spec)
    queue = sqs_backends[mapping.account_id][mapping.region].queues[mapping.event_source_arn.split(":")[-1]]
    queue.lambda_event_source_mappings.clear()  # or moto would hand over messages itself
    if mapping.enabled:
        threading.Thread(target=feed, args=(mapping, queue), daemon=True).start()
    return mapping


LambdaBackend.create_event_source_mapping = create_mapping


def feed(mapping, queue):
    function = lambda_backends[mapping.account_id][mapping.region].get_function(mapping.function_arn)
    sqs = lambdas.client("sqs", mapping.region, function.function_name)
    while True:
        time.sleep(0.05)
        if queue.messages:
            time.sleep(WINDOW)
            with WORK[queue.queue_arn]:
                work_on_batch(function, mapping, sqs, {"QueueUrl": queue.physical_resource_id})


def work_on_batch(function, mapping, sqs, where):
    batch = []
    while len(batch) < mapping.batch_size:
        received = sqs.receive_message(**where, MaxNumberOfMessages=10, AttributeNames=ATTRIBUTES).get("Messages", [])
        if not received:
            break
        batch += received
    failed, _ = lambdas.invoke(function, event(batch, mapping))
    if not failed:
        for message in batch:
            sqs.delete_message(**where, ReceiptHandle=message["ReceiptHandle"])


def event(batch, mapping):
    return json.dumps(
        {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": {},
                    "md5OfBody": message["MD5OfBody"],
                    "eventSource": "aws:sqs",
                    "eventSourceARN": mapping.event_source_arn,
                    "awsRegion": mapping.region,
                }
                for message in batch
            ]
        }
    )


def hurry(region, name):
    [queue] = [
        queue for backend in sqs_backends.values() for queue in backend[region].queues.values() if queue.name == name
    ]
    with WORK[queue.queue_arn]:
        for message in queue._messages:
            message.delayed_until = message.visible_at = 0
        return len(queue._messages)
