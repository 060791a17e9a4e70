"""S3 as moto plays it. It ends with its standard input, so that it cannot outlive the test that started it.

python s3_server.py PORT
"""

import logging
import os
import sys
import threading

from moto.moto_server.werkzeug_app import create_backend_app
from moto.moto_server.utilities import RegexConverter
from werkzeug.serving import WSGIRequestHandler, run_simple


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


def allow_newlines():
    """Keys may hold them, and moto's patterns of paths do not."""
    make = RegexConverter.__init__
    RegexConverter.__init__ = lambda self, url_map, pattern: make(self, url_map, f"(?s:{pattern})")


def rename_result(answer):
    """S3 calls what completes an upload CompleteMultipartUploadResult, and moto something else."""
    if answer.mimetype == "application/xml":
        answer.set_data(answer.get_data().replace(b"CompleteMultipartUploadResponse", b"CompleteMultipartUploadResult"))
    return answer


def main():
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    allow_newlines()
    app = create_backend_app("s3")
    app.after_request(rename_result)
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, use_reloader=False)


if __name__ == "__main__":
    main()
