"""What the conformance tests share: views of a search at several points, and a fake model server."""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apo import events
from apo.backends import Completion, Request
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Candidate, Failure
from apo.evaluation import Evaluator
from apo.events import Record
from apo.history import History
from apo.metering import MeteredModel
from apo.prompt import Exemplar, as_text
from apo.store.memory import MemoryStore
from apo.task import Task
from apo.view import SearchView
from tests.helpers import folded, letters, run_engine, skilled, started, toy_spec, toy_task
from tests.whiteboxes import box

Reply = str | Failure | Completion
STAGES = ("unscored", "scored", "failed", "shown", "searched")
"""Points of a search: the seed not yet asked, asked, asked in vain, one with exemplars, a whole search."""
PARENT = (
    Exemplar("Which colour has ball 0000?", "red", "row-0"),
    Exemplar("Which colour has ball 0001?", "blue", "row-1"),
)
"""Exemplars that are members of the toy task's pool."""


def spoken(row_input: str, target: str) -> str:
    """An output that is right and like no other row's."""
    return f"{row_input.rstrip('?')} is {target}."


@cache
def records(stage: str) -> tuple[Record, ...]:
    """The journal of the toy search up to a point."""
    task, store = toy_task(), MemoryStore()
    if stage == "searched":
        spec = toy_spec(budget=Budget(calls=400))
        run_engine(task, spec, skilled(task), store)
        end = next(r.n for r in store.records if getattr(r.event, "sealed", False))
        return tuple(store.records[:end])
    seed = Candidate("c0", task.seed)
    shown = Candidate("c1", replace(task.seed, exemplars=PARENT), ("c0",), "uniform", "exemplars")
    cohort = (seed, shown) if stage == "shown" else (seed,)
    store.append(started(task, toy_spec()))
    store.append(events.StepStarted(step=0, side=None, component="seed"))
    store.append(events.CandidatesProposed(step=0, candidates=cohort))
    if stage != "unscored":
        backend = Scripted(down if stage == "failed" else half_right(task))
        pairs = [(candidate, row) for candidate in cohort for row in task.dev]
        for chunk in Evaluator(backend, task.scorer, task.decoding).evaluate(pairs):
            store.append(events.EvaluationsFinished(evaluations=chunk))
    return tuple(store.records)


def down(_request: Request) -> Failure:
    """The answer of a server that is gone."""
    return Failure("connection", "nobody answers")


def half_right(task: Task) -> Callable[[Request], str]:
    """Right on every second dev row, in other words and on more rows with exemplars."""

    def answer(request: Request) -> str:
        text = as_text(request.rendered)
        place = next(n for n, row in enumerate(task.dev) if row.input in text)
        shown = PARENT[0].input in text
        if place % 2 and not (shown and place % 3 == 0):
            return "no idea"
        said = spoken(task.dev[place].input, task.dev[place].target)
        return f"Surely, {said}" if shown else said

    return answer


def instructing(request: Request) -> str:
    """A well-behaved reply of a proposal model, different for each request."""
    return f"<INS>Say the colour that ball {request.seed} has.</INS>"


def view_at(
    stage: str, answer: Callable[[Request], Reply] = instructing, allowance: int = 100, **changes: Any
) -> SearchView:
    """What a component sees at a point of the toy search; `changes` are fields of the view."""
    task = toy_task()
    view = SearchView(
        description=task.description,
        train=task.train,
        dev=task.dev,
        history=History(records(stage)),
        model=MeteredModel(Scripted(answer), allowance),
        embed=letters,
        whitebox=box(),
    )
    return replace(view, **changes)


def state(history: History) -> dict[str, Any]:
    """A copy of all that a history holds, to compare with."""
    return copy.deepcopy(folded(history))


Answering = Callable[[dict[str, Any]], tuple[int, str]]
"""From a request's body to the HTTP status and the text of the completion (or of the error)."""


class FakeServer(ThreadingHTTPServer):
    """An OpenAI-compatible server on this machine; answers come from a function."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answering: Answering, model: str = "fake") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answering, self.model = answering, model
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.visits = 0
        self.root = ""
        """The weights behind the model's name."""

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are interrupted leave broken connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.visits += 1
        entry = {"id": self.server.model, "object": "model", "owned_by": "tests", "max_model_len": 4096}
        named = {"root": self.server.root} if self.server.root else {}
        self._send(200, {"object": "list", "data": [entry | named]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.visits += 1
        self.server.asked.append(body)
        self.server.keys.add(self.headers.get("Authorization", ""))
        status, text = self.server.answering(body)
        if status != 200:
            self._send(status, {"error": {"message": text, "code": status}})
            return
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        if self.path.endswith("/chat/completions"):
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        words = len(asked_text(body).split())
        usage = {"prompt_tokens": words, "completion_tokens": len(text.split()), "total_tokens": words}
        reply = {"id": "1", "object": "x", "created": 1, "model": self.server.model, "usage": usage}
        self._send(200, {**reply, "choices": [choice]})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(data)


def asked_text(body: dict[str, Any]) -> str:
    """All text of a request's body, as the model receives it."""
    if "prompt" in body:
        return str(body["prompt"])
    return "\n".join(str(message["content"]) for message in body["messages"])


@contextmanager
def fake_server(answering: Answering, model: str = "fake") -> Iterator[FakeServer]:
    """Serve on a free port for the length of the block."""
    server = FakeServer(answering, model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
