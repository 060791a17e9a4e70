"""CloudFormation: the SAM transform, the state machine's definition from S3, what moto's resources leave out."""

import json
import os
import urllib.parse

import moto.backends
import moto.moto_server.werkzeug_app as werkzeug_app
import moto.settings
import moto.stepfunctions.models as moto_sfn
import moto.stepfunctions.parser.models as parser_models
from moto.awslambda.models import LambdaFunction, LayerVersion
from moto.cloudformation.models import Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.s3.models import FakeBucket, s3_backends
from samtranslator.translator.transform import transform

moto_sfn.stepfunctions_backends = parser_models.stepfunctions_parser_backends


# ---- AWS::Serverless::...
class NoManagedPolicies:
    @staticmethod
    def load():
        return {}


_parse_template = Stack.parse_template


def parse_template(text):
    template = _parse_template(text)
    for parameter in template.get("Parameters", {}).values():
        if parameter["Type"] == "CommaDelimitedList":  # moto splits what is given, but not the default
            parameter["Default"] = parameter["Default"].split(",")
    if template.get("Transform") == "AWS::Serverless-2016-10-31":
        os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
        template.pop("Metadata", None)
        template = json.loads(json.dumps(transform(template, {}, NoManagedPolicies), default=str))
    return template


Stack.parse_template = staticmethod(parse_template)


# ---- AWS::StepFunctions::StateMachine with DefinitionS3Location and DefinitionSubstitutions
def resolve_definition(properties, account):
    where = properties.pop("DefinitionS3Location")
    definition = (
        s3_backends[account]["aws"].get_object(where["Bucket"], urllib.parse.unquote(where["Key"])).value.decode()
    )
    for name, value in properties.pop("DefinitionSubstitutions", {}).items():
        definition = definition.replace("${%s}" % name, str(value))
    if "${" in definition:
        raise ValueError("unresolved substitution in the state machine: " + definition[definition.index("${") :][:60])
    properties["DefinitionString"] = definition


def with_definition(method):
    inner = getattr(moto_sfn.StateMachine, method).__func__

    @classmethod
    def outer(cls, *args, **named):
        resource = named.get("cloudformation_json") or next(
            value for value in args if isinstance(value, dict) and "Properties" in value
        )
        if "DefinitionS3Location" in resource["Properties"]:
            resolve_definition(resource["Properties"], named.get("account_id") or args[-2])
        return inner(cls, *args, **named)

    setattr(moto_sfn.StateMachine, method, outer)


with_definition("create_from_cloudformation_json")
with_definition("update_from_cloudformation_json")
_has, _get = moto_sfn.StateMachine.has_cfn_attr.__func__, moto_sfn.StateMachine.get_cfn_attribute
moto_sfn.StateMachine.has_cfn_attr = classmethod(lambda cls, name: name == "Arn" or _has(cls, name))
moto_sfn.StateMachine.get_cfn_attribute = lambda self, name: self.arn if name == "Arn" else _get(self, name)

# ---- AWS::S3::Bucket with versioning, and with events
_create_bucket = FakeBucket.create_from_cloudformation_json.__func__


@classmethod
def create_bucket(cls, resource_name, cloudformation_json, account_id, region_name, **named):
    bucket = _create_bucket(cls, resource_name, cloudformation_json, account_id, region_name, **named)
    properties = cloudformation_json.get("Properties", {})
    bucket.versioning_status = properties.get("VersioningConfiguration", {}).get("Status")
    if properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
        bucket.set_notification_configuration({"EventBridgeConfiguration": {}})
    return bucket


FakeBucket.create_from_cloudformation_json = create_bucket

# ---- AWS::Lambda::Function with layers
_create_function = LambdaFunction.create_from_cloudformation_json.__func__


@classmethod
def create_function(cls, resource_name, cloudformation_json, account_id, region_name, **named):
    function = _create_function(cls, resource_name, cloudformation_json, account_id, region_name, **named)
    # Numbers of the template are text in an environment.
    function.environment_vars = {variable: str(value) for variable, value in function.environment_vars.items()}
    function.layers = function._get_layers_data(cloudformation_json["Properties"].get("Layers", []))
    return function


LambdaFunction.create_from_cloudformation_json = create_function
LayerVersion.physical_resource_id = LayerVersion.arn

# ---- Custom::... : the URL at which the answer is awaited names Docker's host, and the answer is looked up in us-east-1
moto.settings.moto_server_host = lambda: "http://127.0.0.1"
_take_answer = CloudFormationResponse.process_cfn_response


def take_answer(self):
    self.region = self._get_param("StackId").split(":")[3]
    return _take_answer(self)


CloudFormationResponse.process_cfn_response = take_answer

# ---- moto lists its own directory on every request
_modules = list(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = werkzeug_app.list_of_moto_modules = lambda: _modules
