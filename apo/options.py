"""What users may say of a run, on the command line and in batch files, and the specification it makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from apo.budget import Budget
from apo.errors import ConfigError
from apo.spec import (
    DEFAULT_CALLS,
    DEFAULT_MODEL,
    KEY,
    MOST_EXEMPLARS,
    PATIENCE,
    PROPOSERS,
    SCHEDULER,
    SELECTORS,
    Engine,
    ModelSpec,
    RunSpec,
    TaskSource,
    WhiteBoxSpec,
)
from apo.taskfile import check_keys

LISTS = ("proposer", "selector", "url", "proposal_url")
"""Options that may be given more than once."""
NONE = "none"
"""As the name of a proposer or selector it means: no such component."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of `apo run`, by their names there with `_` for `-`."""

    task: str | None = None
    data: str | None = None
    input: str = "input"
    target: str = "target"
    scorer: str | dict[str, dict[str, Any]] | None = None
    instruction: str | None = None
    max_tokens: int | None = None
    train: int | None = None
    dev: int | None = None
    test: int | None = None
    drop_duplicates: bool = False
    data_dir: str | None = None
    model: str = DEFAULT_MODEL
    url: tuple[str, ...] = ()
    """Servers of the model; none: apo starts vLLM."""
    api_key_env: str = KEY
    proposal_model: str | None = None
    proposal_url: tuple[str, ...] = ()
    proposal_api_key_env: str = KEY
    whitebox_model: str = ""
    whitebox_device: Literal["auto", "cpu", "cuda"] = "auto"
    whitebox_memory: float | None = None
    """GiB."""
    proposer: tuple[str, ...] | None = None
    selector: tuple[str, ...] | None = None
    alternation: str = "learned"
    scheduler: str = SCHEDULER
    surrogate: str = "gaussian_process"
    acquisition: str = "log_nei"
    screen: int = 1
    layouts: bool = True
    max_exemplars: int = MOST_EXEMPLARS
    calls: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    minutes: float | None = None
    seed: int = 0
    scoring: Literal["generate", "token", "auto"] = "generate"
    cache: bool = True
    patience: float = PATIENCE / 60
    """Minutes."""
    context: int | None = None
    eager: bool = False
    engine: Engine = "auto"

    def spec(self, base: Path | None = None) -> RunSpec:
        """The specification of the run; files are relative to `base`, or to the working directory.

        Raises:
            ConfigError: neither a task nor a data file is named, or both.
        """
        other = None
        if self.proposal_model or self.proposal_url:
            name = self.proposal_model or self.model
            other = self._model(name, self.proposal_url, self.proposal_api_key_env)
            if self.proposal_url:
                other = replace(other, engine="server")
        return RunSpec(
            task=self.source(base),
            model=self._model(self.model, self.url, self.api_key_env),
            proposal_model=other,
            whitebox=self._whitebox(),
            proposers=_components(self.proposer, PROPOSERS),
            selectors=_components(self.selector, SELECTORS) if self.max_exemplars else (),
            alternation=self.alternation,
            scheduler=self.scheduler,
            surrogate=self.surrogate,
            acquisition=self.acquisition,
            screen=self.screen,
            layouts=self.layouts,
            max_exemplars=self.max_exemplars,
            budget=self._budget(),
            seed=self.seed,
            scoring=self.scoring,
            cache=self.cache,
            patience=60 * self.patience,
        )

    def source(self, base: Path | None = None) -> TaskSource:
        """Where the task comes from, wherever the command is given the next time.

        Raises:
            ConfigError: neither a task nor a data file is named, or both.
        """
        if (self.task is None) == (self.data is None):
            raise ConfigError(
                "Give either a task (apo tasks lists them) or a data file with --data; "
                f"{'both were' if self.task else 'neither was'} given."
            )
        if self.data is None and (self.input, self.target) != ("input", "target"):
            raise ConfigError("--input and --target name columns of a data file: give one with --data.")

        def absolute(path: str) -> str:
            return str(((base or Path()) / path).absolute())

        task = self.task or ""
        settings = {"scorer": self.scorer, "instruction": self.instruction, "max_tokens": self.max_tokens}
        settings["duplicates"] = "drop" if self.drop_duplicates else None
        return TaskSource(
            name=absolute(task) if is_file(task) else task,
            data=absolute(self.data) if self.data else None,
            columns=(self.input, self.target),
            data_dir=absolute(self.data_dir) if self.data_dir else None,
            settings=_given(settings),
            sizes=_given({"train": self.train, "dev": self.dev, "test": self.test}),
        )

    def _model(self, name: str, urls: tuple[str, ...], api_key_env: str) -> ModelSpec:
        model = ModelSpec(name, None, api_key_env, self.context, self.eager, engine=self.engine)
        return model_at(urls, model)

    def _whitebox(self) -> WhiteBoxSpec:
        model = self.whitebox_model
        if model and Path(model).expanduser().is_dir():
            model = str(Path(model).expanduser().absolute())
        return WhiteBoxSpec(model, self.whitebox_device, self.whitebox_memory)

    def _budget(self) -> Budget:
        seconds = None if self.minutes is None else 60 * self.minutes
        limited = self.calls or self.prompt_tokens or self.completion_tokens or seconds
        calls = self.calls if limited else DEFAULT_CALLS
        return Budget(calls, self.prompt_tokens, self.completion_tokens, seconds)


def model_at(urls: Sequence[str], model: ModelSpec) -> ModelSpec:
    """A model at these addresses, each named once."""
    first, *more = dict.fromkeys(urls) or (None,)
    return replace(model, base_url=first, more_urls=tuple(filter(None, more)))


def is_file(task: str) -> bool:
    """Whether a task is given by its file, or as one of a family file, and not by name."""
    return ".yaml" in task or task.endswith((".yml", ".py"))


def from_mapping(where: str, options: dict[str, Any]) -> RunOptions:
    """Options from a file.

    Raises:
        ConfigError: naming `where` and the option that is unknown or does not fit.
    """
    check_keys(f"option in {where}", options, RunOptions)
    options = {key: value for key, value in options.items() if key not in LISTS or value is not None}
    lists = {key: [options[key]] for key in LISTS if isinstance(options.get(key), str)}
    try:
        return msgspec.convert({**options, **lists}, RunOptions)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}.") from error


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _components(named: tuple[str, ...] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if not named:
        return default
    return () if named == (NONE,) else named
