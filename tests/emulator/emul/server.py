"""The HTTP server. It ends with its standard input, so that it cannot outlive the test that started it.

    python -m emul.server PORT

GET  /emulator/calls         what Lambdas and the state machine called (record.py)
GET  /emulator/invocations   every invocation of a Lambda: event, outcome, milliseconds, peak memory
POST /emulator/faults        a list of faults (lambdas.Fault), in the place of all former ones
"""

import json
import logging
import os
import sys
import threading

os.environ["MOTO_PORT"] = sys.argv[1]

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, run_simple  # noqa: E402

from . import cloudformation, lambdas, record, step_functions  # noqa: E402, F401


def with_controls(app):
    def controlled(environ, start_response):
        match environ["PATH_INFO"]:
            case "/emulator/calls":
                answer = record.CALLS
            case "/emulator/invocations":
                answer = lambdas.INVOCATIONS
            case "/emulator/faults":
                faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                lambdas.FAULTS[:] = [lambdas.Fault(**fault) for fault in faults]
                answer = faults
            case "/2016-08-19/account-settings":         # Lambda's GetAccountSettings, which moto lacks: what a new account may have
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
