"""Batch files: what they ask for, whose option wins, and each mistake with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from apo.batch import MOST_RUNS, read_batch
from apo.errors import ConfigError
from apo.spec import RunSpec


def file(folder: Path, content: Any, name: str = "mine.yaml") -> Path:
    """A batch file; text is written as it is."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def specs(folder: Path, content: Any) -> dict[str, RunSpec]:
    """What the runs of a batch file are, by name."""
    return {cell.name: cell.spec for cell in read_batch(file(folder, content)).cells}


def test_least(tmp_path: Path) -> None:
    """A list of tasks is enough: one run each, seed 0, one at a time, named after the file."""
    batch = read_batch(file(tmp_path, {"tasks": ["tickets", "bbh/snarks"]}))

    assert ("mine", 1) == (batch.name, batch.parallel)
    assert ["tickets-default-s0", "bbh-snarks-default-s0"] == [cell.name for cell in batch.cells]
    assert (
        ["tickets", "bbh/snarks"]
        == [cell.task for cell in batch.cells]
        == [cell.spec.task.name for cell in batch.cells]
    )


def test_engine(tmp_path: Path) -> None:
    """The faster one, unless runs ask for an engine each; a model with an address needs none."""
    common = {"engine": "inprocess", "proposal_model": "big"}
    plain, own = (
        specs(tmp_path, {"tasks": ["tickets"], "common": more})["tickets-default-s0"] for more in ({}, common)
    )
    url = {"tasks": ["tickets"], "common": {**common, "proposal_url": "http://h/v1"}}
    mixed = specs(tmp_path, url)["tickets-default-s0"]

    assert "auto" == plain.model.engine
    assert ["inprocess"] * 2 == [m.engine for m in (own.model, own.proposal_model) if m]
    assert ["inprocess", "server"] == [m.engine for m in (mixed.model, mixed.proposal_model) if m]


def test_product(tmp_path: Path) -> None:
    """Every task meets every setting with every seed."""
    content = {
        "tasks": ["tickets", "sentiment"],
        "seeds": [3, 1],
        "settings": {"plain": None, "short": {"calls": 500}},
        "parallel": 2,
        "name": "both",
    }
    batch = read_batch(file(tmp_path, content))
    cells = {cell.name: cell for cell in batch.cells}

    assert ("both", 2, 8) == (batch.name, batch.parallel, len(cells))
    assert "tickets-plain-s3" == batch.cells[0].name
    short = cells["sentiment-short-s1"]
    assert ("sentiment", "short", 1, 1, 500) == (
        short.task,
        short.setting,
        short.seed,
        short.spec.seed,
        short.spec.budget.calls,
    )


def test_precedence(tmp_path: Path) -> None:
    """What a setting says wins over its task's options, and both over the common ones."""
    found = specs(
        tmp_path,
        {
            "tasks": ["tickets", {"task": "sentiment", "calls": 200, "model": "task", "layouts": False}],
            "settings": {"a": {}, "b": {"calls": 300}},
            "common": {"calls": 100, "model": "common", "max_tokens": 9, "proposer": "opro"},
        },
    )

    calls = {name: spec.budget.calls for name, spec in found.items()}
    assert {
        "tickets-a-s0": 100,
        "tickets-b-s0": 300,
        "sentiment-a-s0": 200,
        "sentiment-b-s0": 300,
    } == calls
    assert ["common", "common", "task", "task"] == [spec.model.model for spec in found.values()]
    assert [True, True, False, False] == [spec.layouts for spec in found.values()]
    assert all({"max_tokens": 9} == spec.task.settings for spec in found.values())
    assert all(("opro",) == spec.proposers for spec in found.values())


def test_relative_paths(tmp_path: Path) -> None:
    """Files are looked for beside the batch file, wherever the command is given."""
    tasks = [{"data": "sub/balls.csv"}, "own.yaml", {"task": "family.yaml/x"}, {"data": "/abs/rows.csv"}]
    found = specs(tmp_path, {"tasks": tasks, "common": {"data_dir": "copies"}})
    here = str(tmp_path)

    assert [
        ("", f"{here}/sub/balls.csv"),
        (f"{here}/own.yaml", None),
        (f"{here}/family.yaml/x", None),
        ("", "/abs/rows.csv"),
    ] == [(spec.task.name, spec.task.data) for spec in found.values()]
    assert all(f"{here}/copies" == spec.task.data_dir for spec in found.values())
    assert "balls-default-s0" == next(iter(found))


def test_names_from_tasks(tmp_path: Path) -> None:
    """A run is called after its task's name, or after its file, whether as text or as a mapping."""
    tasks = ["bbh/snarks", "deep/own.py", "b.yml", "family.yaml/x", "/a/c.yaml"]
    for entries in (tasks, [{"task": task} for task in tasks]):
        names = [name.removesuffix("-default-s0") for name in specs(tmp_path, {"tasks": entries})]

        assert ["bbh-snarks", "own", "b", "x", "c"] == names


def test_labels(tmp_path: Path) -> None:
    """A label tells two runs of one task apart, and hostile ones become names of folders."""
    tasks = [
        {"task": "tickets", "label": "a"},
        {"task": "tickets", "label": "../../etc passwd"},
        {"task": "tickets", "label": 7},
    ]
    found = specs(tmp_path, {"tasks": tasks, "settings": {"x/y": {}}})

    assert ["a-x-y-s0", "etc-passwd-x-y-s0", "7-x-y-s0"] == list(found)


T = {"tasks": ["tickets"]}
MISTAKES: dict[str, tuple[Any, str]] = {
    "empty": ("", "mine.yaml must be a mapping with at least `tasks: "),
    "list": ("- tickets", "mine.yaml must be a mapping"),
    "broken": ("tasks: [tickets", "mine.yaml is no YAML: while parsing"),
    "tag": ("tasks: !!python/object/apply:os.system [ls]", "mine.yaml is no YAML: could not determine"),
    "deep": ("tasks: " + "[" * 5000, "mine.yaml is no YAML: "),
    "no_tasks": ({"seeds": [1]}, "must be a mapping with at least `tasks"),
    "tasks_empty": ({"tasks": []}, "`tasks` must be a list with at least one entry"),
    "tasks_text": ({"tasks": "tickets"}, "`tasks` must be a list"),
    "task_number": ({"tasks": [7]}, "each of `tasks` must be a name, or a mapping with `task` or `data`"),
    "task_nameless": ({"tasks": [{"calls": 7}]}, "each of `tasks` must be a name"),
    "task_both": (
        {"tasks": [{"task": "tickets", "data": "x.csv"}]},
        "mine.yaml, task tickets, setting default: Give either a task .* both were given",
    ),
    "key": ({**T, "taks": []}, "There is no key in .*mine.yaml 'taks'. Did you mean 'tasks'"),
    "option": (
        {**T, "settings": {"a": {"cals": 3}}},
        "no option in .*mine.yaml, task tickets, setting a 'cals'. Did you mean 'calls'",
    ),
    "option_dash": (
        {**T, "common": {"max-tokens": 3}},
        "no option in .*, task tickets, setting default 'max-tokens'. Did you mean 'max_tokens'",
    ),
    "option_type": (
        {**T, "settings": {"a": {"calls": "many"}}},
        "mine.yaml, task tickets, setting a: Expected `int | null`, got `str` - at `.*calls`",
    ),
    "results": ({**T, "common": {"results": "x"}}, "There is no option in .* 'results'"),
    "seed_common": ({**T, "common": {"seed": 3}}, "say `seeds: .*instead of the option `seed`"),
    "seed_task": ({"tasks": [{"task": "tickets", "seed": 3}]}, "instead of the option `seed`"),
    "seed_setting": ({**T, "settings": {"a": {"seed": 3}}}, "instead of the option `seed`"),
    "seeds_number": ({**T, "seeds": 3}, "`seeds` must be a list with at least one entry"),
    "seeds_empty": ({**T, "seeds": []}, "`seeds` must be a list with at least one entry"),
    "seeds_text": ({**T, "seeds": ["x"]}, "task tickets, setting default: Expected `int`, got `str`"),
    "seeds_bool": ({**T, "seeds": [True]}, "Expected `int`, got `bool`"),
    "seeds_null": ({**T, "seeds": [None]}, "Expected `int`, got `null`"),
    "seeds_twice": ({**T, "seeds": [1, 1]}, "asks for tickets-default-s1 twice"),
    "tasks_twice": ({"tasks": ["tickets", "tickets"]}, "asks for tickets-default-s0 twice. .* a `label`"),
    "settings_list": ({**T, "settings": ["a"]}, "`settings` must map names to options"),
    "setting_text": ({**T, "settings": {"a": "fast"}}, "`settings` must map names to options"),
    "common_list": ({**T, "common": ["a"]}, "`common` must hold options"),
    "parallel_zero": ({**T, "parallel": 0}, "`parallel` must be a number of runs from 1 to 64, not 0"),
    "parallel_bool": ({**T, "parallel": True}, "`parallel` must be a number of runs"),
    "parallel_many": ({**T, "parallel": 65}, "`parallel` must be a number of runs from 1 to 64, not 65"),
    "name_parent": ({**T, "name": "../x"}, "'../x' cannot be a folder's name"),
    "label_long": ({"tasks": [{"task": "tickets", "label": "x" * 99}]}, "cannot be a folder's name"),
    "engine": ({**T, "common": {"engine": "gpu"}}, "Invalid enum value 'gpu' - at `.*engine`"),
    "too_many": ({**T, "seeds": list(range(MOST_RUNS + 1))}, f"asks for {MOST_RUNS + 1} runs; {MOST_RUNS}"),
}
"""What a batch file says, and a pattern of the message that it gets."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(tmp_path: Path, mistake: str) -> None:
    """A mistake is told with the file and the place in it, in one line."""
    content, said = MISTAKES[mistake]
    with pytest.raises(ConfigError, match=said) as caught:
        read_batch(file(tmp_path, content))

    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "said"), [("nope.yaml", "No such file"), (".", "Is a directory")])
def test_no_file(tmp_path: Path, name: str, said: str) -> None:
    """A file that cannot be read is told with the reason."""
    with pytest.raises(ConfigError, match=f"The batch file .* cannot be read: {said}"):
        read_batch(tmp_path / name)


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is refused."""
    (tmp_path / "mine.yaml").write_bytes("tasks: [caf\u00e9]".encode("latin-1"))
    with pytest.raises(ConfigError, match="is no YAML"):
        read_batch(tmp_path / "mine.yaml")


def test_file_name_is_no_folder(tmp_path: Path) -> None:
    """A file whose name cannot be a folder's must say another."""
    with pytest.raises(ConfigError, match="'my batch' cannot be a folder's name"):
        read_batch(file(tmp_path, T, "my batch.yaml"))

    assert "fine" == read_batch(file(tmp_path, {**T, "name": "fine"}, "my batch.yaml")).name
