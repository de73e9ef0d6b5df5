"""Find the date that lies a number of days, weeks or months before or after another date.

{
  "id": "date_arithmetic-001",
  "input": "What date is 19 weeks after 18 June 2031?",
  "target": "2031-10-29"
}
"""

from datetime import date, timedelta
from random import Random

from apo.scorers import Exact
from apo.task import Task
from tasks._generate import generated_task

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
FIRST, LAST = date(1996, 1, 1), date(2035, 12, 31)
MOST = {"day": 120, "week": 20, "month": 18}


def load() -> Task:
    """The task; its rows are generated and always the same."""
    return generated_task(
        name="date_arithmetic",
        description="Find the date a number of days, weeks or months before or after another date.",
        instruction="Work out the date. Answer in the form YYYY-MM-DD.",
        scorer=Exact(),
        draw=_draw,
        max_tokens=24,
    )


def _draw(random: Random) -> tuple[str, str]:
    start = FIRST + timedelta(days=random.randint(0, (LAST - FIRST).days))
    unit = random.choice(list(MOST))
    if unit == "month":  # every month has a 28th, so that the answer is beyond dispute
        start = start.replace(day=min(start.day, 28))
    amount = random.randint(1, MOST[unit])
    back = random.random() < 0.5
    end = _shifted(start, unit, -amount if back else amount)
    written = f"{start.day} {MONTHS[start.month - 1]} {start.year}"
    shown = random.choice((start.isoformat(), written))
    span = f"{amount} {unit}{'' if amount == 1 else 's'}"
    text = f"What date is {span} {'before' if back else 'after'} {shown}?"
    return text, end.isoformat()


def _shifted(start: date, unit: str, amount: int) -> date:
    if unit == "month":
        years, month = divmod(start.month - 1 + amount, 12)
        return start.replace(year=start.year + years, month=month + 1)
    return start + timedelta(days=amount * (7 if unit == "week" else 1))
