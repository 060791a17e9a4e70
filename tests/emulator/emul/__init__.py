"""An AWS in one process, for tests: moto's server, and what moto lacks for this project.

lambdas.py          Lambdas run the real `bootstrap` of the deployed zip as local processes; faults can be put in their way
step_functions.py   Distributed Map as AWS runs it (children's outcomes, ResultWriter files, failures); executions announce how they ended
cloudformation.py   the SAM transform, the state machine's definition from S3, what moto's resources leave out
events.py           EventBridge: rules that publish to SNS, rules on a schedule; what S3 tells it
queues.py           SQS hands messages to Lambdas in batches; time can be made to pass for a queue
record.py           who called what: every request of a Lambda and of the state machine
server.py           the HTTP server: moto's application behind the recorder, and /emulator/... for tests

IAM, KMS, bucket policies, lifecycle, alarms, logs, Rules and payload limits are not shown: tests/static looks at those.
"""
