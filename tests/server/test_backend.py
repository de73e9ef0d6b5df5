"""The backends against a real vLLM: the `openai` one and its server, and `vllm` and its engine."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from apo.backends import Backend, Completion, Request
from apo.backends.openai import OpenAI
from apo.connection import Link
from apo.errors import ServerError
from apo.identity import identify
from apo.prompt import Message
from apo.serving.server import Server
from apo.spec import Identity

HI = (Message("user", "Say hello."),)


@pytest.fixture(params=["server", "inprocess"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A backend on each engine."""
    if request.param == "inprocess":
        yield request.getfixturevalue("own").backend
        return
    server: Server = request.getfixturevalue("server")
    with closing(OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)) as made:
        yield made


def ask(backend: Backend, *requests: Request) -> dict[str, Completion]:
    """The completions by tag."""
    return {request.tag: completion for request, completion in backend.stream(requests)}


def test_identity_tells_model_engine_and_context(identity: Identity) -> None:
    """A server says which model it serves, with what engine and how long a context."""
    assert identity.model == "smollm2-135m-instruct"
    assert identity.engine.startswith("vllm 0.")
    assert identity.context == 2048


def test_engine_without_a_server_is_the_same(own: Link, identity: Identity) -> None:
    """Model, weights, chat template, version and context are those of the server, so answers are shared."""
    assert replace(identity, base_url="", weights=own.identity.weights) == own.identity


def test_both_engines_answer_alike(own: Link, server: Server) -> None:
    """Chats, texts, seeded draws and choices: most answers are equal, and all their token counts."""
    texts = [f"Add one.\n\nInput: 1\nAnswer: 2\n\nInput: {n}\nAnswer:" for n in range(16)]  # begin alike
    chats = [(Message("system", "Be brief."), Message("user", text)) for text in texts]
    requests = [
        *(Request(chat, 8, tag=f"chat {n}") for n, chat in enumerate(chats)),
        *(Request(f"{n}, {n + 1}, {n + 2},", 8, stop=(",",), tag=f"text {n}") for n in range(16)),
        *(Request(chat, 8, temperature=1.0, seed=n, tag=f"draw {n}") for n, chat in enumerate(chats[:8])),
        Request(HI, 16, choices=("billing", "shipping"), tag="choice"),
    ]
    with closing(OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)) as other:
        there, here = ask(other, *requests), ask(own.backend, *requests)
    read = [(there[r.tag].usage.prompt_tokens, here[r.tag].usage.prompt_tokens) for r in requests]
    same = [there[r.tag].text == here[r.tag].text for r in requests]

    assert all(one == other for one, other in read)
    # Batches of another size round otherwise, and one token that differs changes all that follow.
    assert sum(same) >= 0.75 * len(same)


def test_many_requests_are_each_answered_once(backend: OpenAI) -> None:
    """Every request of a wide batch gets its own answer, with its tokens counted."""
    requests = [Request((Message("user", f"Repeat the number {n}."),), 8, tag=str(n)) for n in range(100)]

    answers = list(backend.stream(requests))

    assert sorted(r.tag for r in requests) == sorted(r.tag for r, _ in answers)
    assert all(c.failure is None and c.usage.prompt_tokens > 0 for _, c in answers)


def test_many_long_seeded_draws_at_once(backend: OpenAI) -> None:
    """Seeded draws whose prompts do not fit one batch of the engine together, as a proposer asks for them.

    Prompts that are read in parts would take vLLM's CPU engine down with them.
    """
    words = " ".join(f"word{n}" for n in range(150))
    requests = [
        Request((Message("user", f"{n} {words}"),), 8, temperature=1.0, seed=n, tag=str(n)) for n in range(12)
    ]

    answers = ask(backend, *requests)

    assert [None] * 12 == [completion.failure for completion in answers.values()]
    assert all(completion.usage.prompt_tokens > 400 for completion in answers.values())


def test_greedy_answers_repeat(backend: OpenAI) -> None:
    """At temperature 0 the same request is answered the same way."""
    first = ask(backend, Request(HI, 12, tag="a"))["a"]
    second = ask(backend, Request(HI, 12, tag="a"))["a"]

    assert first.text == second.text


def test_completion_stops_at_the_line_end(backend: OpenAI) -> None:
    """A plain completion goes without the chat template and ends at its stop."""
    text = "Input: one\nAnswer: 1\n\nInput: two\nAnswer: 2\n\nInput: three\nAnswer:"

    answer = ask(backend, Request(text, 16, stop=("\n",), tag="a"))["a"]

    assert "\n" not in answer.text
    assert answer.text.strip()
    assert not answer.cut_off


def test_choices_are_kept_to(backend: OpenAI) -> None:
    """With choices the server can only answer with one of them."""
    choices = ("billing", "shipping")

    answer = ask(backend, Request(HI, 16, choices=choices, tag="a"))["a"]

    assert answer.text in choices


def test_cut_off_is_told(backend: OpenAI) -> None:
    """An answer that the token limit stopped says so."""
    answer = ask(backend, Request(HI, 1, tag="a"))["a"]

    assert answer.cut_off
    assert answer.usage.completion_tokens == 1


def test_too_long_a_prompt_is_a_context_failure(backend: OpenAI) -> None:
    """A prompt that the context cannot hold fails by itself; the one beside it is answered."""
    long = (Message("user", "word " * 4000),)

    answers = ask(backend, Request(long, 8, tag="long"), Request(HI, 8, tag="short"))

    assert answers["long"].failure is not None
    assert answers["long"].failure.kind == "context"
    assert answers["short"].failure is None


def test_wrong_key_is_refused_with_its_variable_named(server: Server) -> None:
    """A wrong API key is found before anything is spent, and the key is not in the message."""
    with pytest.raises(ServerError, match="MY_KEY") as caught:
        identify(server.base_url, "sk-wrong", server.model, "MY_KEY")

    assert "sk-wrong" not in str(caught.value)


def test_unknown_model_lists_what_is_served(server: Server) -> None:
    """A model that the server does not serve is refused with the name of the one that it does."""
    with pytest.raises(ServerError, match="smollm2-135m-instruct"):
        identify(server.base_url, server.api_key, "gpt-9", "none")
