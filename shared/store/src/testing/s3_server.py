"""moto's S3 on a free port of the loopback interface, which it prints.

It ends when its standard input does, so that it never outlives the program that started it, or after 20 minutes.
S3 decides conditional writes atomically; moto looks first and writes then, so requests are taken one at a time.
"""

import os
import sys
import threading

from moto.core.serialize import S3Serializer
from moto.moto_server import werkzeug_app
from werkzeug.serving import WSGIRequestHandler, make_server

LIFETIME_SECONDS = 20 * 60


class AnyCharacter(werkzeug_app.RegexConverter):
    """Matches keys that hold a newline, too."""

    def __init__(self, url_map, pattern):
        super().__init__(url_map, f"(?s:{pattern})")


def serialize(self, response, result, shape, serialized):
    """Gives the answer its name in the S3 API reference, which the AWS SDK for Rust insists on."""
    if self.operation_model.name == "CompleteMultipartUpload":
        shape.serialization["resultWrapper"] = "CompleteMultipartUploadResult"
    return serialize_as_moto_does(self, response, result, shape, serialized)


werkzeug_app.RegexConverter = AnyCharacter
serialize_as_moto_does = S3Serializer._serialized_result_to_response
S3Serializer._serialized_result_to_response = serialize

emulator = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
turn = threading.Lock()


def one_at_a_time(environ, start_response):
    with turn:
        return list(emulator(environ, start_response))


class QuietHandler(WSGIRequestHandler):
    def log(self, *_):
        pass


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
lifetime = threading.Timer(LIFETIME_SECONDS, os._exit, [0])
lifetime.daemon = True
lifetime.start()

server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=QuietHandler)
print(server.port, flush=True)
server.serve_forever()
