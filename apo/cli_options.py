"""The options of the command line, each with its help, shared by the commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from apo.spec import DEFAULT_CALLS, Engine

RESULTS = Path("results")
PATIENCE = 10.0

Results = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and no progress.")]
RunName = Annotated[str, typer.Argument(help="Name or folder of a run; `last` is the newest.")]

TaskName = Annotated[str | None, typer.Argument(help="A task's name (apo tasks) or its file.")]
Data = Annotated[Path | None, typer.Option(help="A data file; makes a task without a task file.")]
Input = Annotated[str, typer.Option("--input", help="Input column of --data.")]
Target = Annotated[str, typer.Option(help="Column of known answers of --data.")]
ScorerName = Annotated[str | None, typer.Option(help="How outputs are judged (apo list scorers).")]
Instruction = Annotated[str | None, typer.Option(help="The seed prompt's instruction.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Most tokens of an answer [default: learned].")]
Train = Annotated[int | None, typer.Option(min=1, help="Rows that exemplars come from.")]
Dev = Annotated[int | None, typer.Option(min=1, help="Rows that candidates are compared on.")]
Test = Annotated[int | None, typer.Option(min=1, help="Rows of the sealed test.")]
DropDuplicates = Annotated[
    bool, typer.Option("--drop-duplicates", help="Of rows with the same input keep the first.")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder with local copies of public data, preferred to the hub.")
]

Model = Annotated[str, typer.Option(help="The model to find a prompt for.")]
Url = Annotated[
    list[str] | None,
    typer.Option(
        "--url", help="An OpenAI-compatible server; given again: one more. Without it apo starts vLLM."
    ),
]
ApiKeyEnv = Annotated[str, typer.Option(help="Environment variable that holds its API key.")]
ProposalModel = Annotated[str | None, typer.Option(help="Another model to write instructions.")]
ProposalUrl = Annotated[list[str] | None, typer.Option("--proposal-url", help="The server of that model.")]
WhiteboxModel = Annotated[
    str, typer.Option(help="Model folder or hub id whose weights are looked into [default: --model].")
]
WhiteboxDevice = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where that computes.")]
WhiteboxMemory = Annotated[
    float | None, typer.Option(min=0.1, help="GiB that it may take [default: half of what is free].")
]
Context = Annotated[int | None, typer.Option(min=64, help="Context where apo starts vLLM, tokens.")]
EngineName = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="vLLM as a server that runs share, in this run's own care, or (`auto`) the faster one.",
    ),
]
Eager = Annotated[bool, typer.Option("--eager", help="Start vLLM sooner, but slower.")]

Proposers = Annotated[
    list[str] | None,
    typer.Option("--proposer", help="Who proposes instructions, name:option=value; or `none`."),
]
Selectors = Annotated[
    list[str] | None,
    typer.Option("--selector", help="Who selects exemplars, name:option=value; or `none`."),
]
AlternationName = Annotated[
    str, typer.Option("--alternation", help="Whose turn it is: instruction, exemplars or layout.")
]
AcquisitionName = Annotated[str, typer.Option("--acquisition", help="What chooses by these predictions.")]
Screen = Annotated[
    int, typer.Option("--screen", min=1, max=64, help="Exemplar lists proposed for each that is tried.")
]
SurrogateName = Annotated[str, typer.Option("--surrogate", help="What predicts untried prompts.")]
SchedulerName = Annotated[str, typer.Option("--scheduler", help="Who is evaluated how far.")]
Layouts = Annotated[bool, typer.Option(help="Whether the layout is searched too.")]
MaxExemplars = Annotated[int, typer.Option(min=0, max=99, help="Most exemplars in a prompt.")]
Calls = Annotated[
    int | None, typer.Option(min=1, help=f"Budget: calls of models [default: {DEFAULT_CALLS}].")
]
PromptTokens = Annotated[int | None, typer.Option(min=1, help="Budget: prompt tokens.")]
CompletionTokens = Annotated[int | None, typer.Option(min=1, help="Budget: completion tokens.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Budget: wall-clock minutes.")]
Seed = Annotated[int, typer.Option(help="Seed of all random draws of the search.")]
Scoring = Annotated[
    Literal["generate", "token", "auto"],
    typer.Option(help="Closed tasks: by whole answers, or by one token; `auto` compares first."),
]
Cache = Annotated[bool, typer.Option(help="Whether answers may come from earlier runs (apo cache).")]
Patience = Annotated[float, typer.Option(min=0.0, help="Minutes to wait for a lost server.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; one that exists is gone on with.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin a new run although one was interrupted.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Run in the background and open the live screen, on a terminal.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the forecast and stop.")]
