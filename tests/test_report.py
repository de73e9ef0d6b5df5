"""Reports in Markdown, tables and progress: what people see, with text that must not steer what shows it."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout

import pytest

from apo import events, tables
from apo.candidate import Candidate
from apo.history import History
from apo.progress import Bar, Lines, reporter
from apo.prompt import Exemplar, Prompt
from apo.reporting.account import fold, tell
from apo.reporting.markdown import markdown
from tests.helpers import evaluation, run_engine, skilled, started, toy_spec, toy_task
from tests.reported import recorded, sealed

TASK = toy_task()
HOSTILE = "\x1b[31mred [/foo] list[int] | pipe\n``` fence \u202e bidi \x00 wide 漢字"


@pytest.fixture(scope="module")
def finished() -> History:
    """A run that ended."""
    history, _, _ = run_engine(TASK, toy_spec(), skilled(TASK))
    return history


def hostile() -> tuple[events.Record, ...]:
    """A run whose one candidate is full of text that is not meant for a terminal."""
    prompt = Prompt(HOSTILE, (Exemplar(HOSTILE, HOSTILE),))
    return recorded(
        started(TASK, toy_spec()),
        events.StepStarted(step=0, side=None, component=HOSTILE),
        events.CandidatesProposed(step=0, candidates=(Candidate("c0", prompt, origin=HOSTILE),)),
        events.EvaluationsFinished(evaluations=(evaluation("c0", TASK.dev[0].id, 1.0),)),
    )


def shown(history: History) -> str:
    """The board as printed."""
    with redirect_stdout(io.StringIO()) as out:
        tables.leaderboard(history)
    return out.getvalue()


def test_report_says_what_came_of_it() -> None:
    """Verdict, figures, every step, the spend of each role and the prompt are in it."""
    text = markdown(tell(fold(sealed()), "the-run"))
    steps = re.findall(r"^\| (\d+) \| ", text.partition("## Steps")[2].partition("## ")[0], re.MULTILINE)

    assert text.startswith("# toy on toy-model\n\nRun the-run, begun 2023-11-14 22:13 UTC, finished.")
    assert "Better than the seed prompt on the sealed test: +30.0 points" in text
    assert "- best prompt (c3), sealed test: **60.0 %** (40.0 to 80.0, n=20)" in text
    assert ["0", "1", "2", "3"] == steps
    assert all(f"| {role} |" in text for role in ("task", "proposal", "test", "all"))
    assert "| opro | instruction | 2 | 2 | 1 | 1 | +20.0 | 1 of 1 | 33 | 3 | 471.7 |" in text
    assert "[system] Say the colour.\n[user] " in text


def test_report_of_hostile_text_stays_one_document() -> None:
    """A fence inside the prompt does not close the report's, and a table keeps its columns."""
    text = markdown(tell(fold(hostile()), "the-run"))
    rows = [line for line in text.splitlines() if line.startswith("| 0 |")]

    assert "````text" in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert [7] == [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows]


def test_report_before_the_first_score() -> None:
    """A run that has just begun has a report too."""
    text = markdown(tell(fold(recorded(started(TASK, toy_spec()))), "the-run"))

    assert "not scored yet" in text
    assert TASK.seed.instruction in text


def test_board_fits_eighty_columns(finished: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of the board fits a terminal of 80 columns, whoever proposed the candidate."""
    monkeypatch.setenv("COLUMNS", "80")
    rows = [line for line in shown(finished).splitlines() if re.match(r"^[★▸·× ] +\d+ +c\d+", line)]

    assert len(rows) == min(15, len(finished.candidates))
    assert max(len(row.rstrip()) for row in rows) <= 80


def test_board_of_hostile_text_is_plain() -> None:
    """Control characters never reach the terminal, and markup is shown as text."""
    text = shown(History(hostile()))

    assert not set("\x1b\x00\u202e") & set(text)
    assert "[/foo]" in text


def test_prompt_of_hostile_text_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt is shown as the model receives it, less what would steer the terminal."""
    tables.prompt(Prompt(HOSTILE))
    text = capsys.readouterr().out

    assert not set("\x1b\x00\u202e") & set(text)
    assert "漢字" in text


@pytest.mark.parametrize("cls", [Lines, Bar])
def test_progress_shows_a_run(cls: type[Lines] | type[Bar]) -> None:
    """Each thing worth knowing is a line on stderr, in order, and nothing is on stdout."""
    with redirect_stderr(io.StringIO()) as told, redirect_stdout(io.StringIO()) as out, cls() as progress:
        progress.waiting("Waiting for a server")
        _, store, _ = run_engine(TASK, toy_spec(), skilled(TASK))
        history = History()
        for record in store.read():
            history.apply(record)
            progress.observe(history, record)
    text = told.getvalue()

    places = [text.index(what) for what in ("forecast", "step 1", "sealed test", "finished (")]

    assert places == sorted(places)
    assert out.getvalue() == ""


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], finished: History) -> None:
    """With --json there is no progress at all."""
    with reporter(quiet=True) as progress:
        progress.waiting("something")
        progress.observe(finished, events.Record(0, 0.0, events.RunFinished(reason="x", best="c0")))

    assert capsys.readouterr() == ("", "")
