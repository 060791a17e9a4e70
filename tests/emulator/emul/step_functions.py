"""Step Functions: what moto's interpreter (LocalStack's) lacks for Distributed Map and for announcing how an execution ended."""

import copy
import datetime
import functools
import json
import sys
import time
import types
import uuid

import moto.stepfunctions.models as moto_sfn
import moto.stepfunctions.parser.asl.utils.boto_client as boto_client
import moto.stepfunctions.parser.asl.utils.json_path as json_path
import moto.stepfunctions.parser.models as parser_models
from moto.core.config import default_user_config
from moto.events.models import events_backends
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringVariableSample
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader import item_reader_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component as distributed,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer import result_writer_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (
    resource_eval_s3 as result_writer_s3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramStopped
from moto.stepfunctions.parser.asl.parse import asl_parser
from moto.stepfunctions.parser.backend import execution as execution_module

from .lambdas import client

default_user_config["stepfunctions"] = {"execute_state_machine": True}


# ---- what the state machine calls is signed as it
def client_for(region, service, state_credentials=None):
    return client(service, region, "state-machine")


for _module in list(sys.modules.values()):
    if (
        _module.__name__.startswith("moto.stepfunctions.parser")
        and getattr(_module, "boto_client_for", None) is boto_client.boto_client_for
    ):
        if _module is not boto_client:
            _module.boto_client_for = client_for
boto_client.boto_client_for = client_for
json_path.parse = functools.cache(json_path.parse)  # it builds its grammar anew on every call

# ---- variables: moto leaves them to JSONata's engine, which it does not have
StringVariableSample._eval_body = lambda self, env: env.stack.append(
    env.variable_store.get(self.expression.removeprefix("$"))
)

# ---- a state machine is deep-copied with its finished executions (threads, locks): the second start would fail
moto_sfn.StateMachine.__deepcopy__ = lambda self, memo: copy.copy(self)

# ---- an execution that was stopped stays stopped, whatever its running children come to
_set_error = Environment.set_error
Environment.set_error = lambda self, error: (
    None if isinstance(self.program_state(), ProgramStopped) else _set_error(self, error)
)

# ---- waits before retries are short: how long they are is told by the definition, and simulated by shared/cost
retrier_decl.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.1)))

# ---- an execution has a status before it has begun: whoever lists it just then would fail
_make = execution_module.Execution.__init__


def make(self, *args, **options):
    _make(self, *args, **options)
    self.exec_status = ExecutionStatus.RUNNING


execution_module.Execution.__init__ = make

# ---- names are optional
_start = parser_models.StepFunctionsParserBackend.start_execution
parser_models.StepFunctionsParserBackend.start_execution = lambda self, arn, name=None, *args, **options: _start(
    self, arn, name or str(uuid.uuid4()), *args, **options
)

# ---- lists of executions are eventually consistent
LAG = {"seconds": 0}
_list = moto_sfn.StepFunctionBackend.list_executions


def list_executions(self, *args, **options):
    found, token = _list(self, *args, **options)
    newest = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=LAG["seconds"])
    return [execution for execution in found if execution.start_date <= newest], token


moto_sfn.StepFunctionBackend.list_executions = list_executions


# ---- EXPRESS children run as STANDARD ones: the grammar does not know them
_parse = asl_parser.AmazonStateLanguageParser.parse
asl_parser.AmazonStateLanguageParser.parse = staticmethod(lambda text: _parse(text.replace('"EXPRESS"', '"STANDARD"')))


# ---- an error while items are read has a name that Retry can match
def fail(env, kind, cause):
    name = StatesErrorName(typ=kind)
    details = MapRunFailedEventDetails(error=name.error_name, cause=cause)
    raise FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.MapRunFailed,
            event_details=EventDetails(mapRunFailedEventDetails=details),
        )
    )


_read_items = item_reader_decl.ItemReader._eval_body


def read_items(self, env):
    try:
        _read_items(self, env)
    except Exception as problem:
        fail(env, StatesErrorNameType.StatesItemReaderFailed, str(problem))


item_reader_decl.ItemReader._eval_body = read_items


# ---- how each child execution ended
def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


_run_child = worker.DistributedItemProcessorWorker._eval_job


def run_child(self, env, job):
    record = {"Input": json.dumps(job.job_input), "Name": str(uuid.uuid4()), "StartDate": now()}
    _run_child(self, env, job)
    ended = env.program_state()
    if isinstance(ended, ProgramStopped):
        record |= {"Status": "ABORTED"}
    elif isinstance(ended, ProgramError) or job.job_output is None:
        error = getattr(ended, "error", None) or {}
        record |= {"Status": "FAILED", "Error": error.get("error"), "Cause": error.get("cause")}
    else:
        record |= {"Status": "SUCCEEDED", "Output": json.dumps(job.job_output)}
    children_of(self._map_run_record)[job.job_index] = {**record, "StopDate": now()}


def children_of(map_run):
    return map_run.__dict__.setdefault("children", {})


worker.DistributedItemProcessorWorker._eval_job = run_child

# ---- no failed child is tolerated
_map_run = distributed.DistributedIterationComponent._map_run


def map_run(self, env, eval_input):
    _map_run(self, env, eval_input)
    if any(child["Status"] == "FAILED" for child in children_of(eval_input.map_run_record).values()):
        fail(
            env,
            StatesErrorNameType.StatesExceedToleratedFailureThreshold,
            "The specified tolerated failure threshold was exceeded",
        )


distributed.DistributedIterationComponent._map_run = map_run


# ---- ResultWriter: files by outcome and a manifest, for failed Map Runs, too
def put_results(env, resource_runtime_part, state_credentials):
    where, _ = env.stack.pop(), env.stack.pop()
    record = env.map_run_record_pool_manager.get_all()[-1]
    s3, folder = (
        client_for(resource_runtime_part.region, "s3"),
        f"{where['Prefix']}/{record.map_run_arn.split(':')[-1]}",
    )
    files = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status in files:
        children = [child for _, child in sorted(children_of(record).items()) if child["Status"] == status]
        if children:
            body, key = json.dumps(children).encode(), f"{folder}/{status}_0.json"
            s3.put_object(Bucket=where["Bucket"], Key=key, Body=body)
            files[status].append({"Key": key, "Size": len(body)})
    manifest = {"DestinationBucket": where["Bucket"], "MapRunArn": record.map_run_arn, "ResultFiles": files}
    s3.put_object(Bucket=where["Bucket"], Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
    env.stack.append(
        {
            "MapRunArn": record.map_run_arn,
            "ResultWriterDetails": {"Bucket": where["Bucket"], "Key": f"{folder}/manifest.json"},
        }
    )


def write_results(self, env):  # moto evaluates the Parameters against the results, AWS against the state's input
    env.stack.append(env.states.get_input())
    self.parargs.eval(env)
    where = env.stack.pop()
    env.stack[-1] = where
    self.resource_eval.eval_resource(env=env)


result_writer_s3.ResourceEvalS3._handle_put_object = staticmethod(put_results)
result_writer_decl.ResultWriter._eval_body = write_results
_eval_map = StateMap._eval_execution


def eval_map(self, env):
    try:
        _eval_map(self, env)
    except FailureEventException:
        if self.result_writer and children_of(env.map_run_record_pool_manager.get_all()[-1]):
            env.stack.append([])
            self.result_writer.eval(env)
        raise


StateMap._eval_execution = eval_map

# ---- EventBridge hears how an execution ended
_terminated = execution_module.BaseExecutionWorkerCommunication.terminated


def terminated(self):
    _terminated(self)
    ended = self.execution

    def milliseconds(time):
        return int(time.timestamp() * 1000)

    succeeded = ended.exec_status == "SUCCEEDED"
    detail = {
        "executionArn": ended.exec_arn,
        "stateMachineArn": ended.state_machine.arn,
        "name": ended.name,
        "status": str(ended.exec_status.value),
        "startDate": milliseconds(ended.start_date),
        "stopDate": milliseconds(ended.stop_date),
        "input": json.dumps(ended.input_data),
        "output": json.dumps(ended.output) if succeeded else None,
        "error": ended.error,
        "cause": ended.cause,
    }
    event = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [ended.exec_arn],
    }
    events_backends[ended.account_id][ended.region_name].put_events([event])


execution_module.BaseExecutionWorkerCommunication.terminated = terminated
