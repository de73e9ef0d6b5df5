"""A small HTTP server on this machine whose replies come from a function: a model server to test against."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int = 200
    body: Any = ""
    """Text as it is, or anything else as JSON."""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before it is sent."""
    parts: Callable[[], Iterable[bytes]] | None = None
    """Sent as the body, one after the other, without a length; instead of `body`."""
    hangs_up: bool = False
    """Nothing is answered, the connection ends."""


@dataclass(frozen=True)
class Asked:
    """What the server was asked."""

    method: str
    path: str
    key: str
    body: dict[str, Any]


class LittleServer(ThreadingHTTPServer):
    """Answers every request with what `answer` says; `asked` keeps them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._guard = threading.Lock()

    @property
    def url(self) -> str:
        """The address, as users write it."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def enter(self, step: int) -> None:
        """Count requests that are under way."""
        with self._guard:
            self._at_once += step
            self.most_at_once = max(self.most_at_once, self._at_once)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body go out together, or the client's acknowledgement takes 40 ms
    server: LittleServer

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        asked = Asked(self.command, self.path, key, body)
        self.server.asked.append(asked)
        self.server.enter(1)
        reply = self.server.answer(asked)
        time.sleep(reply.delay)
        self.server.enter(-1)
        if reply.hangs_up:
            self.close_connection = True
            return
        if reply.parts is not None:
            self._stream(reply, reply.parts())
            return
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        try:
            self.send_response(reply.status)
            headers = {"content-type": reply.kind, "content-length": str(len(text.encode())), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the client has given up

    def _stream(self, reply: Reply, parts: Iterable[bytes]) -> None:
        self.close_connection = True
        try:
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
        except OSError:
            return  # the client has given up

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[LittleServer]:
    """The server, for the length of the block."""
    with LittleServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def unused_url() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def said(text: str | None = "red", finish: str = "stop") -> dict[str, Any]:
    """The body of a chat answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def error(message: str, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, "type": "x", **more}}
