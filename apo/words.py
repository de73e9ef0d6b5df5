"""Events and numbers in words, for people: the same on every screen and in plain lines."""

import unicodedata
from collections import Counter

from apo import events
from apo.budget import Budget, Forecast, Spend, used
from apo.candidate import Prediction
from apo.commands import name as command_name
from apo.headroom import EXPECTED_GAIN, corrected_score
from apo.history import History
from apo.orders import HUMAN
from apo.prompt import Prompt
from apo.statistics import Interval, rows_needed, visible_gain


def percent(interval: Interval) -> str:
    """A score with its interval: `84.5 % (78.8 to 88.9, n=200)`."""
    if interval.n == 0:
        return "no answered row"
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.mean:.1f} % ({low:.1f} to {high:.1f}, n={interval.n})"


def points(interval: Interval) -> str:
    """A difference in points with its interval: `+15.5 points (+9.0 to +22.0)`."""
    if interval.n == 0:
        return "no shared row"
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.mean:+.1f} points ({low:+.1f} to {high:+.1f})"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int) -> str:
    """A count that is short whatever its size: `950`, `12.3k`, `4.1M`."""
    if number >= 999_950:
        return f"{number / 1_000_000:.1f}M"
    return f"{number / 1000:.1f}k" if number >= 10_000 else str(number)


def exemplars(prompt: Prompt) -> str:
    """How many an input is shown: `8`, or `5 nearest of 50`."""
    number = len(prompt.exemplars)
    return str(number) if prompt.nearest is None else f"{prompt.nearest} nearest of {number}"


def nearest(prompt: Prompt) -> str:
    """What a prompt does with a pool, as a sentence; empty for one that shows a fixed list."""
    if prompt.nearest is None:
        return ""
    return (
        f"Of these {len(prompt.exemplars)} exemplars each input is shown the {prompt.nearest} nearest by "
        "sentence embedding, the nearest last."
    )


def forecast(made: Forecast) -> str:
    """What the run is expected to use."""
    return (
        f"about {made.calls} calls, {count(made.prompt_tokens)} prompt and "
        f"{count(made.completion_tokens)} completion tokens, {duration(made.seconds)} "
        f"(from the first {made.measured_on} rows)"
    )


def scoring(chosen: events.ScoringChosen | None) -> str:
    """How candidates are scored on dev rows, and why."""
    if chosen is None:
        return "by whole answers"
    way = (
        "by whole answers"
        if chosen.way == "generate"
        else "by the first token; the sealed test by whole answers"
    )
    if not chosen.spend.calls:
        return f"{way} ({chosen.reason})"
    return (
        f"{way} ({chosen.reason}). Compared on {chosen.same.n} rows: the same score on "
        f"{percent(chosen.same)}; of those right in one way, right in both {percent(chosen.both)}; "
        f"{100 * chosen.begun:.0f} % of first tokens begin a label; a whole answer takes "
        f"{chosen.tokens:.1f} tokens"
    )


def expected(prediction: Prediction) -> str:
    """What a surrogate believed of a candidate before it was measured."""
    return f"{100 * prediction.mean:.1f} % ± {100 * prediction.deviation:.1f} was expected"


def spent(spend: Spend) -> str:
    """What was used."""
    cached = f" ({spend.cached} from the cache)" if spend.cached else ""
    worked = f", {duration(spend.seconds)}" if spend.seconds else ""
    return (
        f"{spend.calls} calls{cached}, {count(spend.prompt_tokens)} prompt and "
        f"{count(spend.completion_tokens)} completion tokens{worked}"
    )


def time_left(history: History, budget: Budget) -> float | None:
    """Seconds until the budget ends at the pace so far; None before there is one."""
    share = used(budget, history.total, history.seconds)
    if share <= 0 or history.seconds <= 0:
        return None
    return max(0.0, history.seconds * (1 - share) / share)


def state(history: History) -> str:
    """`starting`, `running`, `paused`, `waiting` or `finished`, as far as the journal tells."""
    if history.finished is not None:
        return "finished"
    if history.paused or history.lost:
        return "paused" if history.paused else "waiting"
    return "running" if history.candidates else "starting"


def event(history: History, record: events.Record) -> str | None:
    """One event as a line, or None where it is not worth one. `history` has taken it in."""
    match record.event:
        case events.RunStarted(task=task, server=server):
            train, dev, test = task.sizes
            return (
                f"{task.name} on {server.model} ({server.engine or 'unknown engine'}): "
                f"{train} train, {dev} dev, {test} test rows\n{power(dev)}"
            )
        case events.ForecastMade(forecast=made):
            return f"forecast: {forecast(made)}"
        case events.ScoringChosen() as chosen:
            return f"scoring: {scoring(chosen)}"
        case events.StepStarted(step=0 as step):
            return f"step {step}: the seed prompt"
        case events.StepStarted(step=step, side=None, component=component, cohort=cohort):
            what = ", ".join(cohort) or "candidates"
            return f"step {step}: {what} {'added by hand' if component == HUMAN else 'promoted by hand'}"
        case events.StepStarted(step=step, side=side, component=component):
            return f"step {step}: {side} by {component}"
        case events.CandidatesProposed(step=step) as proposed if step > 0:
            return _proposed(proposed)
        case events.StepFinished() as finished:
            return _finished(history, finished)
        case events.ProblemReported(message=message):
            return f"problem: {message}"
        case events.TestScored(candidate=candidate, score=score, seed=seed, difference=difference):
            return (
                f"sealed test: {candidate} {percent(score)}, seed {percent(seed)}, "
                f"difference {points(difference)}"
            )
        case events.RunFinished(reason=reason, best=best):
            return f"finished ({reason}): {best} is the best prompt"
        case other:
            return _interruption(history, other)


def _interruption(history: History, happened: events.Event) -> str | None:
    """What comes from outside the search: people, and a server that is lost."""
    match happened:
        case events.RunResumed():
            return f"resumed after {history.total.calls} calls"
        case events.ServerLost(message=message):
            return f"the model server is lost, waiting for it: {message}"
        case events.ServerBack():
            return "the model server is back"
        case events.RunPaused():
            return "paused"
        case events.RunContinued():
            return "going on"
        case events.CommandReceived(sent=sent):
            return f"received: {command_name(sent.command)}"
        case events.CommandRefused(reason=reason):
            return f"refused: {reason}"
        case _:
            return None


def _proposed(proposed: events.CandidatesProposed) -> str:
    number = len(proposed.candidates)
    line = f"  {number} candidate" + ("" if number == 1 else "s")
    counted = Counter(d.reason for d in proposed.discarded)
    if counted:
        line += "; discarded: " + ", ".join(f"{times} {reason}" for reason, times in counted.items())
    return f"{line}; {proposed.problem}" if proposed.problem else line


def _finished(history: History, finished: events.StepFinished) -> str | None:
    best = history.best()
    if best is None:
        return None
    mean = 100 * history.mean(best.id)
    if finished.gain > 0:
        return f"  {best.id} is the new best: {mean:.1f} % on dev (+{100 * finished.gain:.1f})"
    return f"  best stays {best.id}: {mean:.1f} % on dev"


def verdict(history: History) -> str | None:
    """What the sealed test says of the winner, plainly; None before it was scored."""
    tested = history.tested
    if tested is None:
        return None
    if tested.candidate == "c0":
        return "No improvement: no candidate beat the seed prompt on dev."
    if tested.difference.low > 0:
        return f"Better than the seed prompt on the sealed test: {points(tested.difference)}.{_sign(tested)}"
    if tested.difference.high < 0:
        return f"Worse than the seed prompt on the sealed test: {points(tested.difference)}.{_sign(tested)}"
    noise = 50 * (tested.difference.high - tested.difference.low)
    return (
        f"No improvement that the sealed test can tell from noise: {points(tested.difference)}; on its "
        f"{tested.difference.n} rows anything below {noise:.1f} points is noise.{_sign(tested)}"
    )


def _sign(tested: events.TestScored) -> str:
    """The exact test on the rows that differ."""
    if tested.better + tested.worse == 0:
        return ""
    p = "p < 0.001" if tested.p_value < 0.001 else f"p = {tested.p_value:.3f}"
    return f" Rows better {tested.better}, worse {tested.worse} (exact McNemar {p})."


def luck(history: History) -> str | None:
    """What the best dev score is worth, having been picked among all; None before there is a choice."""
    best = history.best()
    if best is None or len(history.candidates) < 2:
        return None
    return (
        f"{best.id} was picked as the best of {len(history.candidates)} on dev, which flatters it: without "
        f"that luck {percent(corrected_score(history, best.id))}."
    )


def power(dev_rows: int) -> str:
    """What gain so many dev rows can show, and how many would show the usual one."""
    seen = visible_gain(dev_rows)
    line = f"{dev_rows} dev rows can tell a gain of {100 * seen:.0f} points from noise (4 times of 5)"
    if seen <= EXPECTED_GAIN:
        return f"{line}."
    needed = rows_needed(EXPECTED_GAIN)
    hoped = f"{100 * EXPECTED_GAIN:.0f} points"
    return f"{line}; smaller gains will not be seen. For {hoped} take {needed} rows (--dev)."


def one_line(text: str) -> str:
    """A message in one line, whatever a server or a file put into it."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Text from models and data without control characters, so a terminal cannot be steered by it."""
    return "".join(
        c
        if c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs"
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )
