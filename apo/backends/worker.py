"""The process that runs vLLM's engine for one run: requests come over a socket, answers go back.

`python -m apo.backends.worker ADDRESS ARGUMENT…` connects to the socket at ADDRESS and gives the arguments,
which are those of `vllm serve`, to the engine. A request goes to the engine as it comes, so that it is in the
very next step. The process ends when its owner says so or is gone.

What this process takes of a processor it takes from an engine that computes there, so it says and is told
much at a time, and looks through nothing twice.
"""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Client, Connection
from typing import Any

import msgspec
from jinja2 import TemplateError
from msgspec.structs import asdict
from vllm import __version__
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.renderers import ChatParams, TokenizeParams
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.utils.mistral import is_mistral_tokenizer
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from apo.backends import Request
from apo.backends.frames import (
    PROBE,
    Answer,
    Answered,
    Ask,
    Drop,
    Quit,
    Ready,
    Refused,
    pack,
    to_engine,
)
from apo.backends.prefixes import Prefixes, byte_level
from apo.prompt import Message, Rendered

UNFIT: tuple[type[Exception], ...] = (
    VLLMClientError,
    TemplateError,
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
)
"""What the engine raises over a request that it does not take; the server answers HTTP 400 then."""
WORD = 20.0
"""Seconds between two looks whether the engine has written anything."""
ENDING = 10.0
"""Seconds that the engine has to end; what it leaves behind the guard ends."""


def main() -> None:
    """Work for the owner that the command line names until it has gone."""
    address, *arguments = sys.argv[1:]
    with Client(address, "AF_UNIX") as connection, suppress(EOFError, ConnectionError):
        asyncio.run(_work(arguments, connection))


async def _work(arguments: Sequence[str], connection: Connection) -> None:
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    chosen = AsyncEngineArgs.from_cli_args(parser.parse_args([*arguments, "--disable-log-stats"]))
    engine = AsyncLLM.from_engine_args(chosen, usage_context=UsageContext.LLM_CLASS)
    # What is loaded stays; to look again and again for garbage in it took 3 % of the time.
    gc.collect()
    gc.freeze()
    try:
        await Worker(engine, connection).serve()
    finally:
        connection.close()  # at once: the owner need not wait until the engine has ended
        last = threading.Timer(ENDING, os._exit, (1,))
        last.daemon = True
        last.start()
        engine.shutdown()


class Worker:
    """vLLM's engine between the frames that come and those that go.

    Args:
        engine: loaded.
        connection: to the owner.
    """

    def __init__(self, engine: AsyncLLM, connection: Connection) -> None:
        self._engine, self._connection = engine, connection
        self._context: int = engine.model_config.max_model_len
        tokenizer = engine.get_tokenizer()
        # What the server gives to the template of a chat that says nothing of it.
        self._template = {
            "add_generation_prompt": True,
            "continue_final_message": False,
            "tools": None,
            "tokenize": is_mistral_tokenizer(tokenizer),
        }
        encode = byte_level(tokenizer)
        self._prefixes = None if encode is None else Prefixes(encode)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._results: list[Answer | Refused] = []
        """What is to be said when all that can go on has done so."""
        self._over = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Answer what comes until the owner says that it was all.

        Raises:
            EOFError, OSError: the owner is gone.
            MsgspecError: it does not speak this language.
            EngineDeadError: the engine is gone.
        """
        self._connection.send_bytes(pack(self._ready()))
        loop = asyncio.get_running_loop()
        # Ends when the engine does, also while nothing is asked.
        self._engine.output_handler.add_done_callback(lambda _: self._end(EngineDeadError()))
        loop.add_reader(self._connection.fileno(), self._take)
        words = asyncio.create_task(self._tell())
        try:
            await self._over
        finally:
            words.cancel()
            loop.remove_reader(self._connection.fileno())

    async def _tell(self) -> None:
        """Say now and then that answers are being written: the first of a batch may take long to end."""
        before = 0
        while True:
            await asyncio.sleep(WORD)
            states = self._engine.output_processor.request_states.values()
            written = sum(state.detokenizer.num_output_tokens() for state in states if state.detokenizer)
            if written != before:
                self._say_all()
            before = written

    def _take(self) -> None:
        """One frame that has come."""
        try:
            frame = to_engine.decode(self._connection.recv_bytes())
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self._end(error)
            return
        match frame:
            case Ask(requests):
                for number, request in requests:
                    task = asyncio.create_task(self._answer(number, request))
                    self._under_way[number] = task
                    task.add_done_callback(partial(self._answered, number))
            case Drop(numbers):
                for number in numbers:
                    if number in self._under_way:
                        self._under_way[number].cancel()
            case Quit():
                self._end()

    def _answered(self, number: int, done: "asyncio.Task[None]") -> None:
        self._under_way.pop(number, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            self._end(error)

    def _end(self, error: BaseException | None = None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    async def _answer(self, number: int, request: Request) -> None:
        try:
            async with self._turn:
                await asyncio.sleep(0)  # What the engine has answered meanwhile comes first.
                prompt = self._render(request.rendered, request.max_tokens)
                answers = await self._engine.add_request(str(number), prompt, _sampling(request))
        except UNFIT as error:
            self._say(Refused(number, str(error) or type(error).__name__))
            return
        try:
            output = await answers.get()
        except asyncio.CancelledError:
            await self._engine.abort(answers.request_id, internal=True)
            raise
        self._say(_answer(number, output))

    def _say(self, result: Answer | Refused) -> None:
        if not self._results:
            asyncio.get_running_loop().call_soon(self._say_all)
        self._results.append(result)

    def _say_all(self) -> None:
        results, self._results = self._results, []
        try:
            self._connection.send_bytes(pack(Answered(results)))
        except OSError as error:
            self._end(error)

    def _ready(self) -> Ready:
        batch = self._engine.vllm_config.scheduler_config.max_num_seqs
        try:
            probe = self._render(PROBE, 1)["prompt_token_ids"]
        except UNFIT:  # such as a template without a system message
            probe = []
        return Ready(__version__, self._context, batch, probe)

    def _render(self, rendered: Rendered, most: int) -> Any:
        """Messages or text as the server tokenizes them: special tokens of a chat come from its template."""
        special = isinstance(rendered, str)
        how = TokenizeParams(self._context, max_output_tokens=most, add_special_tokens=special)
        prompt = {"prompt": rendered} if isinstance(rendered, str) else self._templated(rendered, how)
        return self._engine.renderer.render_cmpl([prompt], how)[0]

    def _templated(self, chat: Sequence[Message], how: TokenizeParams) -> Any:
        """A chat's text, with its tokens where they are found faster here."""
        renderer, style = self._engine.renderer, ChatParams(chat_template_kwargs=self._template)
        _, prompt = renderer.render_messages([asdict(message) for message in chat], style)
        if self._prefixes is not None and "prompt_token_ids" not in prompt:
            # Refused before it is made tokens if it is far too long, as where the renderer does both.
            prompt = how.apply_pre_tokenization(renderer.tokenizer, prompt)
            prompt["prompt_token_ids"] = self._prefixes.tokens(prompt["prompt"])
        return prompt


def _sampling(request: Request) -> SamplingParams:
    """Nothing comes from the model's generation_config but its end-of-text tokens, which the engine adds."""
    choices = StructuredOutputsParams(choice=list(request.choices)) if request.choices else None
    return SamplingParams(
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        seed=request.seed,
        stop=list(request.stop),
        structured_outputs=choices,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
    )


def _answer(number: int, output: Any) -> Answer:
    (said,) = output.outputs
    used, written = len(output.prompt_token_ids), len(said.token_ids)
    return Answer(number, said.text, used, written, said.finish_reason or "")


if __name__ == "__main__":
    main()
