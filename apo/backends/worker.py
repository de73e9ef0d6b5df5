"""The process that runs vLLM's engine for one run: requests come over a socket, answers go back.

`python -m apo.backends.worker ADDRESS ARGUMENT…` connects to the socket at ADDRESS and gives the arguments,
which are those of `vllm serve`, to the engine. Requests are taken while others run. It ends when its owner
says so or is gone.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from typing import Any

from jinja2 import TemplateError
from msgspec.structs import asdict
from vllm import __version__
from vllm.engine.arg_utils import EngineArgs
from vllm.exceptions import VLLMClientError
from vllm.renderers import ChatParams, TokenizeParams
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.utils.mistral import is_mistral_tokenizer
from vllm.v1.engine.llm_engine import LLMEngine

from apo.backends import Request
from apo.backends.frames import PROBE, Answer, Ask, Drop, FromEngine, Quit, Ready, Refused, pack, to_engine
from apo.prompt import Rendered

UNFIT: tuple[type[Exception], ...] = (
    VLLMClientError,
    TemplateError,
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
)
"""What the engine raises over a request that it does not take; the server answers HTTP 400 then."""


def main() -> None:
    """Work for the owner that the command line names until it has gone."""
    address, *arguments = sys.argv[1:]
    with Client(address, "AF_UNIX") as connection, suppress(EOFError, ConnectionError):
        Worker(arguments, connection).serve()


class Worker:
    """vLLM's engine between the frames that come and those that go.

    Args:
        arguments: what decides how the model is run, as for `vllm serve`.
        connection: to the owner.
    """

    def __init__(self, arguments: Sequence[str], connection: Connection) -> None:
        parser = EngineArgs.add_cli_args(FlexibleArgumentParser())
        chosen = EngineArgs.from_cli_args(parser.parse_args([*arguments, "--disable-log-stats"]))
        self._connection = connection
        self._engine = LLMEngine.from_engine_args(chosen, UsageContext.LLM_CLASS)
        self._context: int = self._engine.model_config.max_model_len
        # What the server gives to the template of a chat that says nothing of it.
        self._template = {
            "add_generation_prompt": True,
            "continue_final_message": False,
            "tools": None,
            "tokenize": is_mistral_tokenizer(self._engine.get_tokenizer()),
        }

    def serve(self) -> None:
        """Take what has come, waiting for it if there is nothing to do; go one step; and so on.

        Raises:
            EOFError, ConnectionError: the owner is gone.
        """
        self._say(self._ready())
        while True:
            while not self._engine.has_unfinished_requests() or self._connection.poll(0):
                match to_engine.decode(self._connection.recv_bytes()):
                    case Ask(number, request):
                        self._add(number, request)
                    case Drop(numbers):
                        self._engine.abort_request([str(number) for number in numbers])
                    case Quit():
                        return
            for output in self._engine.step():
                if output.finished:
                    self._say(_answer(output))

    def _say(self, frame: FromEngine) -> None:
        self._connection.send_bytes(pack(frame))

    def _ready(self) -> Ready:
        batch = self._engine.vllm_config.scheduler_config.max_num_seqs
        return Ready(__version__, self._context, batch, self._render(PROBE, 1)["prompt_token_ids"])

    def _add(self, number: int, request: Request) -> None:
        try:
            prompt = self._render(request.rendered, request.max_tokens)
            self._engine.add_request(str(number), prompt, _sampling(request))
        except UNFIT as error:
            self._say(Refused(number, str(error) or type(error).__name__))

    def _render(self, rendered: Rendered, most: int) -> Any:
        """Messages or text as the server tokenizes them: special tokens of a chat come from its template."""
        special = isinstance(rendered, str)
        how = TokenizeParams(self._context, max_output_tokens=most, add_special_tokens=special)
        if isinstance(rendered, str):
            return self._engine.renderer.render_cmpl([{"prompt": rendered}], how)[0]
        messages = [asdict(message) for message in rendered]
        chat = ChatParams(chat_template_kwargs=self._template)
        _, prompts = self._engine.renderer.render_chat([messages], chat, how)
        return prompts[0]


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


def _answer(output: Any) -> Answer:
    (said,) = output.outputs
    used, written = len(output.prompt_token_ids), len(said.token_ids)
    return Answer(int(output.request_id), said.text, used, written, said.finish_reason or "")


if __name__ == "__main__":
    main()
