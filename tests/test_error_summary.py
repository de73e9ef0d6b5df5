"""Error summary: the kinds of errors, what the two requests hold, and how long they grow."""

from random import Random

import pytest

from apo import plugins
from apo.backends import Request
from apo.candidate import Candidate, Evaluation, Failure, Usage
from apo.errors import ConfigError
from apo.prompt import Prompt, as_text
from apo.proposers._errors import by_kind, kind, labels
from apo.proposers.error_summary import ErrorSummary
from apo.task import Example, Score, Task
from tests.helpers import toy_task
from tests.searches import asked, outcome, searched

FINDING = "It mixes them up."


def answered(output: str, value: float, answer: str | None, cut_off: bool = False) -> Evaluation:
    """One answer as it was judged."""
    return Evaluation("c0", "r", output, Score(value, answer), Usage(), None, cut_off)


@pytest.mark.parametrize(
    ("output", "value", "answer", "known", "expected"),
    [
        pytest.param(" \n", 0, None, (), "no answer at all", id="empty"),
        pytest.param("Hm", 0, None, (), "no answer could be read in it", id="unreadable"),
        pytest.param("blue", 0, "blue", ("red", "blue"), "blue instead of red", id="label"),
        pytest.param("pink", 0, "pink", ("red", "blue"), "none of the answers that count", id="no_label"),
        pytest.param("dark red", 0.5, "dark red", (), "partly right", id="partly"),
        pytest.param("It is RED.", 0, "It is RED.", (), "the right answer among other words", id="format"),
        pytest.param("redder", 0, "redder", (), "wrong", id="wrong"),
        pytest.param("a" * 13, 0, "a", (), "far longer than the right answer", id="long"),
        pytest.param("a" * 12, 0, "a", (), "wrong", id="not_long"),
    ],
)
def test_kinds(output: str, value: float, answer: str | None, known: tuple[str, ...], expected: str) -> None:
    """Each answer that is not right is of one kind."""
    assert expected == kind(Example("r", "Which?", "red"), answered(output, value, answer), known)


def test_cut_off_says_more_than_unreadable() -> None:
    """An answer that was stopped is of that kind, whatever was read in it."""
    assert "cut off before its end" == kind(Example("r", "Which?", "red"), answered("Hm", 0, None, True))


@pytest.mark.parametrize(
    ("targets", "closed"), [(["a", "b"] * 3, True), (["a", "b", "c"] * 2, False), (["a"], False), ([], False)]
)
def test_closed_tasks(targets: list[str], closed: bool) -> None:
    """A task is closed where each answer has three rows on average."""
    assert closed == bool(labels([Example(str(n), "x", target) for n, target in enumerate(targets)]))


def test_the_most_frequent_kind_is_first() -> None:
    """Kinds are ordered by how often they come about."""
    row = Example("r", "Which?", "red")
    cases = [(row, answered(text, 0, text or None)) for text in ("", "green", "blue", "", "")]

    assert [("no answer at all", 3), ("wrong", 2)] == [(k, len(c)) for k, c in by_kind(cases).items()]


def finding(request: Request) -> str | Failure:
    """A summary for the first request, an instruction for the second."""
    return FINDING if "Sum up" in as_text(request.rendered) else f"<INS>Rule {request.seed}.</INS>"


def answered_blue(row: Example) -> Evaluation:
    """The answer of a model that says the same to everything."""
    return Evaluation("c0", row.id, "blue", Score(float(row.target == "blue"), "blue"), Usage())


def test_summary_then_instruction() -> None:
    """The summary sees counts, errors and right answers; the instruction follows it and sees no row."""
    task = toy_task()
    done = [answered_blue(row) for row in task.dev]
    view = outcome(task, [Candidate("c0", Prompt("Name it."))], done, finding)
    found = ErrorSummary(cases=3).propose(view, 2, Random("1"))
    summing, writing = asked(view)[:2], asked(view)[2:]

    for text in summing:
        wrong, _, right = text.partition("Some of the right answers:")
        assert (
            "right 10 times and wrong 10 times. The errors by kind:\n10 times: blue instead of red" in wrong
        )
        assert [3, 3] == [wrong.count("Right answer: red"), right.count("Right answer: blue")]
        assert 3 == wrong.count("Error: blue instead of red\n")
    for text in writing:
        assert FINDING in text
        assert not any(row.input in text for row in (*task.dev, *task.train))
    assert [FINDING, FINDING] == [proposal.note for proposal in found]
    assert 2 == len({proposal.prompt.instruction for proposal in found})


def huge(task: Task) -> tuple[Task, list[Evaluation]]:
    """The task with enormous rows that are all answered at enormous length, in many ways."""
    rows = tuple(Example(row.id, "in {} \x00" * 9999, f"{n} out" * 999) for n, row in enumerate(task.dev))
    done = [
        Evaluation("c0", row.id, "\u202e so " * 9999, Score(n % 2 / 2, f"{n}" * 999), Usage())
        for n, row in enumerate(rows)
    ]
    return Task(task.name, "", task.seed, task.scorer, task.train, rows, task.test), done


@pytest.mark.parametrize("cases", [1, 5, 1000])
def test_requests_are_bounded(cases: int) -> None:
    """Whatever the size of rows, answers, instruction and summary, requests stay short."""
    task, done = huge(toy_task())
    view = outcome(task, [Candidate("c0", Prompt("x" * 50_000))], done, lambda _: "y" * 50_000)
    ErrorSummary(cases).propose(view, 2, Random("2"))

    assert 4 == len(asked(view))
    assert max(map(len, asked(view))) < 16_000


def test_many_labels_are_counted_together() -> None:
    """Beyond the first dozen kinds the rest is one line, and only four kinds have examples."""
    names = tuple(f"label-{n}" for n in range(15))
    task = toy_task(180, names)
    done = [
        Evaluation("c0", row.id, "x", Score(0.0, names[names.index(row.target) - 1]), Usage())
        for row in task.dev
    ]
    view = outcome(task, [Candidate("c0", Prompt("Name it."))], done, finding)
    ErrorSummary().propose(view, 1, Random("3"))
    (text,) = asked(view)[:1]

    assert 12 == text.count("4 times: label-")
    assert "12 times: other errors" in text
    assert 4 * 2 == text.count("Error: ")


def test_earlier_versions_are_shown_oldest_first() -> None:
    """The second request holds the instructions that the best one came from, each once, with its score."""
    line = ["Root.", "Root.", "Middle.", "Leaf."]
    view = searched([Prompt(text) for text in line], [0.1, 0.2, 0.3, 0.6], finding)
    ErrorSummary().propose(view, 1, Random("4"))
    second = asked(view)[1]

    assert "Instruction: Root.\nScore: 20\n\nInstruction: Middle.\nScore: 30\n\nWrite" in second
    assert 1 == second.count("Root.") == second.count("Leaf.")


def test_nothing_wrong_nothing_asked() -> None:
    """Where the best prompt makes no error no call is spent."""
    view = searched([Prompt("Name it.")], [1.0], finding)

    assert [] == ErrorSummary().propose(view, 3, Random("5"))
    assert [] == asked(view)


def test_options_refused() -> None:
    """A summary of no case is refused."""
    with pytest.raises(ConfigError, match="cases must be at least 1, not 0"):
        plugins.build("proposers", "error_summary:cases=0")
