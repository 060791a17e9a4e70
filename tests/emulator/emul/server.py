"""The HTTP server. It ends with its standard input, so that it cannot outlive the test that started it.

    python -m emul.server PORT

GET  /emulator/calls         what Lambdas and the state machine called (record.py)
GET  /emulator/invocations   every invocation of a Lambda: event, outcome, milliseconds, peak memory
POST /emulator/faults        a list of faults (lambdas.Fault), in the place of all former ones
POST /emulator/hurry         [region, name of a queue]: what is delayed or hidden in it arrives now (queues.py)
POST /emulator/lag           [seconds]: so old is an execution before lists show it (step_functions.py)
POST /emulator/come-due      [region, name of a rule]: the time of its schedule has come (events.py)
"""

import json
import logging
import os
import sys
import threading

os.environ["MOTO_PORT"] = sys.argv[1]

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, run_simple  # noqa: E402

from . import cloudformation, events, lambdas, queues, record, step_functions  # noqa: E402, F401


def body_of(environ):
    return json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))


def with_controls(app):
    def controlled(environ, start_response):
        match environ["PATH_INFO"]:
            case "/emulator/calls":
                answer = record.CALLS
            case "/emulator/invocations":
                answer = lambdas.INVOCATIONS
            case "/emulator/faults":
                answer = body_of(environ)
                lambdas.FAULTS[:] = [lambdas.Fault(**fault) for fault in answer]
            case "/emulator/hurry":
                answer = queues.hurry(*body_of(environ))
            case "/emulator/lag":
                [step_functions.LAG["seconds"]] = answer = body_of(environ)
            case "/emulator/come-due":
                answer = events.come_due(*body_of(environ))
            case (
                "/2016-08-19/account-settings"
            ):  # Lambda's GetAccountSettings, which moto lacks: what a new account may have
                answer = {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}
            case _:
                return app(environ, start_response)
        body = json.dumps(answer).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return controlled


def end_with_standard_input():
    sys.stdin.read()
    lambdas.close_all()
    os._exit(0)


def main():
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    app = with_controls(record.recorder(DomainDispatcherApplication(create_backend_app)))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, use_reloader=False)


if __name__ == "__main__":
    main()
