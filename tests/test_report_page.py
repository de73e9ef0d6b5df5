"""The page of a report: whole, harmless, readable by everybody, and the plots in it."""

import base64
import io
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from apo import events
from apo.candidate import Candidate
from apo.errors import ConfigError, RunError
from apo.events import Record
from apo.reporting.account import fold, tell
from apo.reporting.canvas import DARK, LIGHT, Palette, png
from apo.reporting.document import Table
from apo.reporting.folder import write
from apo.reporting.page import page
from apo.store.memory import MemoryStore
from tests.helpers import evaluation, run_engine, skilled, started, toy_spec, toy_task
from tests.reported import HOSTILE, SEED, TASK, hostile, met, recorded, sealed, worked

VOID = {"meta", "source", "img", "br"}
SCRATCH = b"a picture"
SPLIT = {row.id: row for row in TASK.test}


def proposed_only() -> tuple[Record, ...]:
    """A run whose seed has yet to be asked."""
    return recorded(
        started(TASK, toy_spec()),
        events.StepStarted(step=0, side=None, component="seed"),
        events.CandidatesProposed(step=0, candidates=(SEED,)),
    )


def failed() -> tuple[Record, ...]:
    """A run in which no request was answered."""
    lost = [evaluation("c0", row.id, None) for row in TASK.dev]
    return recorded(
        *(r.event for r in proposed_only()),
        events.EvaluationsFinished(evaluations=tuple(lost)),
        events.StepFinished(step=0, gain=0.0, calls=20),
        events.ProblemReported(message="20 requests timed out", fatal=True),
    )


def seed_only() -> tuple[Record, ...]:
    """A run that found nothing to try but the seed, to its end."""
    done = [evaluation("c0", row.id, 1.0) for row in TASK.test]
    return recorded(
        *(r.event for r in proposed_only()),
        met("c0", 20),
        events.StepFinished(step=0, gain=0.0, calls=20),
        events.EvaluationsFinished(evaluations=tuple(done), sealed=True),
        events.RunFinished(reason="nothing left to try", best="c0"),
    )


@cache
def searched() -> tuple[Record, ...]:
    """A whole scripted search."""
    task, store = toy_task(), MemoryStore()
    run_engine(task, toy_spec(), skilled(task), store)
    return tuple(store.records)


RUNS: dict[str, Callable[[], tuple[Record, ...]]] = {
    "begun": lambda: recorded(started(TASK, toy_spec())),
    "step_begun": lambda: proposed_only()[:2],
    "proposed": proposed_only,
    "failed": failed,
    "seed_only": seed_only,
    "worked": worked,
    "sealed": sealed,
    "searched": searched,
    "cut": lambda: searched()[: len(searched()) // 2],
    "hostile": hostile,
}


class Read(HTMLParser):
    """What a browser would see; raises at a tag that does not fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It closes the last one that is open."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Text outside of the style."""
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is to be read."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of one name."""
        return [attributes for name, attributes in self.tags if name == tag]


@cache
def read(run: str) -> Read:
    """A run's page as it is read, its pictures left empty."""
    document = tell(fold(RUNS[run]()), "the-run", SPLIT)
    return Read(page(document, {plot.name: (SCRATCH, SCRATCH) for plot in document.plots}))


@pytest.mark.parametrize("run", RUNS)
def test_page_is_whole(run: str) -> None:
    """Every tag is closed, the parts of the page are there, and links lead to sections with headings."""
    found = read(run)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]

    assert len(set(ids)) == len(ids)
    assert [1, 1, 1] == [len(found.all(tag)) for tag in ("title", "h1", "main")]
    assert [f"#{section['id']}" for section in found.all("section")] == [
        link["href"] for link in found.all("a")
    ]
    assert "No surrogate judged candidates before they were evaluated." in found.text or run in (
        "worked",
        "sealed",
        "hostile",
    )


@pytest.mark.parametrize("run", RUNS)
def test_page_needs_nothing(run: str) -> None:
    """No script, no handler, and nothing that is fetched from elsewhere."""
    found = read(run)
    loaded = [v for _, attributes in found.tags for n, v in attributes.items() if n in ("src", "srcset")]

    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    assert not [n for _, attributes in found.tags for n in attributes if n.startswith("on")]
    assert all(where.startswith("data:image/png;base64,") for where in loaded)
    assert all(link["href"].startswith("#s") for link in found.all("a"))
    assert "default-src 'none'" in found.all("meta")[4]["content"]


def test_hostile_text_is_text() -> None:
    """What looks like markup, a template or an address is shown as it is; control characters are not."""
    document = tell(fold(hostile()), "the-run")
    text = page(document, {plot.name: (SCRATCH, SCRATCH) for plot in document.plots})
    found = read("hostile")

    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7 * 7 }} {% raw %} $x_1^2$" in found.text
    assert "&amp; {{ 7" in found.text
    assert "<script" not in text
    assert "<img src=x" not in text
    assert not re.search(r"(?:url\(|@import|(?:src|href)=[\"']?http)", text)
    assert not set("\x1b\x00\x07\u202e") & set(text)


def test_endless_text_is_cut() -> None:
    """Prompts, outputs and reasons without end leave a page that can be opened, and say what is missing."""
    document = tell(fold(hostile()), "the-run")
    text = page(document, {plot.name: (SCRATCH, SCRATCH) for plot in document.plots})

    assert len(text) < 200_000
    assert re.search(r"… and [\d,]{7,} more characters", text)


def test_page_says_it_in_words() -> None:
    """Each plot has its figures as text, each table a caption and heads for columns and rows."""
    found = read("sealed")
    alternatives = {image["alt"] for image in found.all("img")}

    assert 5 == len(alternatives)
    assert any("70.0 % (48.1 to 85.5, n=20) with c3 from 73 calls on" in said for said in alternatives)
    assert any("step 2 (opro) from 50.0 to 70.0 %" in said for said in alternatives)
    assert any("3 at least 100 % (20 rows)" in said for said in alternatives)
    assert len(found.all("table")) == len(found.all("caption")) == len(found.all("thead"))
    assert {"col", "row"} == {head["scope"] for head in found.all("th")}


def test_flips_are_shown() -> None:
    """Rows that flipped stand there with input, target and both outputs, on dev and on the sealed test."""
    found = read("sealed")

    assert f"{TASK.dev[8].id} {TASK.dev[8].input} {TASK.dev[8].target} red red 0 → 1" in found.text
    assert f"{TASK.test[0].id} {TASK.test[0].input} {TASK.test[0].target} red red 1 → 0" in found.text
    assert "c3 answered 7 better than the seed prompt and 1 worse" in found.text


def test_sealed_rows_may_be_gone() -> None:
    """Without the task's data the sealed rows are named, and it is said why there is no more."""
    document = tell(fold(sealed()), "the-run")
    (section,) = [s for s in document.sections if s.title.startswith("The winner")]
    *_, last = [part for part in section.parts if isinstance(part, Table)]

    assert ("row", "seed's output", "c3's output", "score") == last.columns
    assert ((TASK.test[0].id, "red", "red", "1 → 0"),) == last.rows


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("begun", "Nothing has been evaluated yet."),
        ("proposed", "No candidate has a score yet."),
        ("failed", "No row has been answered yet."),
        ("failed", "Rows without an answer, missing from all scores: 20 timeout."),
        ("failed", "Problem: 20 requests timed out"),
        ("seed_only", "The seed prompt leads, so no row differs."),
        ("worked", "The sealed test is not scored yet."),
        ("worked", "too few to tell from chance"),
    ],
)
def test_page_says_what_is_missing(run: str, said: str) -> None:
    """A run without scores, answers, candidates or test says so."""
    assert said in read(run).text


def test_stopped_run() -> None:
    """A run that nobody goes on with is not said to be running."""
    assert "running." in tell(fold(worked()), "the-run").subtitle
    assert "stopped." in tell(fold(worked()), "the-run", stopped=True).subtitle


def test_no_run() -> None:
    """A journal without a beginning is no run."""
    with pytest.raises(RunError, match="no RunStarted event"):
        tell(fold(()), "the-run")


@pytest.mark.parametrize("run", ["seed_only", "sealed", "cut", "hostile"])
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_plots_open(run: str, palette: Palette) -> None:
    """Every picture is a PNG of full width on its own paper, in the colours of its version."""
    for plot in tell(fold(RUNS[run]()), "the-run").plots:
        picture = Image.open(io.BytesIO(png(plot, palette))).convert("RGB")
        colours = picture.getcolors(1_000_000)

        assert 1200 == picture.width
        assert ImageColor.getrgb(palette.paper) == picture.getpixel((0, 0))
        assert colours is not None
        assert len(colours) > 20


def test_files(tmp_path: Path) -> None:
    """Page and plots lie in the folder, for the owner alone; the page holds the same pictures."""
    files = write(tell(fold(sealed()), "the-run"), tmp_path / "deep" / "report")
    text = files[0].read_text(encoding="utf-8")

    assert "report.html" == files[0].name
    assert {"best-score.png", "gains.png", "components.png", "rungs.png", "surrogate.png"} == {
        f.name for f in files[1:]
    }
    assert all(base64.b64encode(f.read_bytes()).decode() in text for f in files[1:])
    assert {0o600} == {f.stat().st_mode & 0o777 for f in files}
    assert 0o700 == files[0].parent.stat().st_mode & 0o777


def test_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file in the way is told."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"/file/report' cannot be made: Not a directory\. Choose another"):
        write(tell(fold(worked()), "the-run"), tmp_path / "file" / "report")


def test_plot_names_components_as_they_are() -> None:
    """A component's name is no formula and needs no font: the plot of it is drawn without a warning."""
    steps = [
        event
        for number, name in enumerate(("$x_{", "漢字" * 40, HOSTILE))
        for event in (
            events.StepStarted(step=number, side="layout", component=name),
            events.CandidatesProposed(step=number, candidates=(Candidate(f"c{number}", TASK.seed),)),
            events.StepFinished(step=number, gain=0.1, calls=3),
        )
    ]
    document = tell(fold(recorded(started(TASK, toy_spec()), *steps)), "the-run")

    assert ["gains", "components", "rungs"] == [plot.name for plot in document.plots]
    assert all(png(plot, LIGHT).startswith(b"\x89PNG") for plot in document.plots)
