"""A proxy on this machine in front of S3: carries each request there and its answer back, but for what faults make of
it.

Requests and answers are read whole before anything happens to them, so that a fault is one decision about one request:
a coroutine that is given the exchange (see `faults.py`).
"""

import asyncio
import collections
import http.client
import io
import re
import socket
import struct
import threading
import time
import urllib.parse

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
# What differs from run to run though the request is the same.
VOLATILE = re.compile(r"(uploadId|continuation-token)=[^&]*")
# Names of headers that are about one connection, or that are written anew.
HOP = {"connection", "keep-alive", "content-length", "transfer-encoding", "expect"}


class Request:
    def __init__(self, head):
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = [tuple(field.split(": ", 1)) for field in fields]
        self.body = b""
        path, _, query = self.target.partition("?")
        # The bucket's name, and what it is about there.
        self.bucket, _, self.key = urllib.parse.unquote(path).removeprefix("/").partition("/")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        # How often just this was asked before, and what came before it through this proxy.
        self.seen = self.number = 0

    def header(self, name):
        return next((value for field, value in self.headers if field.lower() == name), None)

    def length(self):
        return int(self.header("content-length") or 0)

    def name(self):
        """The same for the same request of another run."""
        return f"{self.method} {VOLATILE.sub('', RUN_ID.sub('RUN', self.target))}"

    def reads_object(self):
        return self.method == "GET" and bool(self.key)

    def lists(self):
        return self.method == "GET" and "list-type" in self.query


class Answer:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @classmethod
    def parse(cls, raw, method):
        parsed = http.client.HTTPResponse(Socket(raw), method=method)
        parsed.begin()
        return cls(parsed.status, parsed.reason, parsed.getheaders(), parsed.read())

    @classmethod
    def error(cls, status, code, message):
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return cls(status, http.client.responses[status], [("Content-Type", "application/xml")], body.encode())

    def without(self, prefix):
        """Takes away the headers whose names begin so."""
        self.headers = [(name, value) for name, value in self.headers if not name.lower().startswith(prefix)]

    def head(self, method):
        # An answer to HEAD says how long a body would be.
        length = next((value for name, value in self.headers if name.lower() == "content-length"), "0")
        length = length if method == "HEAD" else len(self.body)
        fields = [(name, value) for name, value in self.headers if name.lower() not in HOP]
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1")


class Socket:
    """Just enough of a socket for an answer that has been read."""

    def __init__(self, raw):
        self.raw = raw

    def makefile(self, _):
        return io.BytesIO(self.raw)


class Exchange:
    """A request, and the means to do something about it."""

    def __init__(self, request, reader, writer, proxy):
        self.request, self.reader, self.writer, self.proxy = request, reader, writer, proxy

    async def forward(self):
        """Has S3 carry the request out: its answer."""
        request = self.request
        fields = [(name, value) for name, value in request.headers if name.lower() not in HOP]
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        head = "\r\n".join([*lines, f"Content-Length: {len(request.body)}", "Connection: close", "", ""])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.upstream)
        try:
            writer.write(head.encode("latin-1") + request.body)
            raw = await reader.read()
        finally:
            writer.close()
        return Answer.parse(raw, request.method)

    async def send(self, answer):
        self.writer.write(answer.head(self.request.method))
        await self.write(b"" if self.request.method == "HEAD" else answer.body)

    async def write(self, content):
        self.writer.write(content)
        await self.writer.drain()

    def reset(self):
        """Ends the connection by an RST, as a machine does that is gone."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self):
        """Ends it in good order, whatever is still owed."""
        self.writer.close()

    async def hang(self):
        """Does nothing until the other side gives up."""
        await self.reader.read()


async def carry(exchange):
    """What happens to a request without a fault."""
    await exchange.send(await exchange.forward())


class Proxy:
    """Listens on a free port of its own thread, from `with` on until its end.

    `faults` is given each request, and gives the coroutine that answers it, or none. `pages` makes S3 list so many keys
    at a time, which it may do whatever it is asked for.
    """

    def __init__(self, upstream, faults=lambda request: None, pages=None):
        self.upstream, self.faults, self.pages = upstream, faults, pages
        self.seen, self.number = collections.Counter(), 0
        self.injected, self.requests, self.problems = [], [], []
        self.began = time.monotonic()
        self.loop, self.is_up = None, threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    def __enter__(self):
        self.thread.start()
        if not self.is_up.wait(10):
            raise RuntimeError("the proxy does not listen")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10)
        if self.problems:
            raise self.problems[0]

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"

    def log(self):
        """What was injected, for whoever asks why a test failed."""
        return "\n".join(f"{seconds:7.2f} s {fault:<14} {request}" for seconds, fault, request in self.injected)

    async def serve(self):
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        self.connections = set()
        listener = socket.socket()
        # Little is taken in before it is read, so that a sender notices where nobody reads.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        listener.bind(("127.0.0.1", 0))
        self.server = await asyncio.start_server(self.accept, sock=listener)
        self.port = listener.getsockname()[1]
        self.is_up.set()
        await self.ended.wait()
        self.server.close()
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def accept(self, reader, writer):
        self.connections.add(asyncio.current_task())
        try:
            while not writer.is_closing() and (request := await read_head(reader)):
                await self.answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The other side gave up, or the test is over.
            pass
        except Exception as problem:
            # The test's own, which is told at the end of `with`.
            self.problems.append(problem)
        finally:
            self.connections.discard(asyncio.current_task())
            writer.close()

    async def answer(self, request, reader, writer):
        request.seen, request.number = self.seen[request.name()], self.number
        self.seen[request.name()] += 1
        self.number += 1
        self.requests.append(request.name())
        fault = self.faults(request)
        if self.pages and request.lists():
            request.target += f"&max-keys={self.pages}"
        if fault:
            self.injected.append((time.monotonic() - self.began, fault.__name__, request.name()))
        if not getattr(fault, "leaves_body", False):
            await read_body(request, reader, writer)
        await (fault or carry)(Exchange(request, reader, writer, self))


async def read_head(reader):
    """The next request of a connection without its body, none at the connection's end."""
    try:
        return Request(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError:
        return None


async def read_body(request, reader, writer):
    if request.header("transfer-encoding"):
        raise NotImplementedError(f"a request in chunks: {request.name()}")
    if request.header("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = await reader.readexactly(request.length())
