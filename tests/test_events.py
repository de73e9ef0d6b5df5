"""Events: every one of them comes back from its line as it was, whatever texts it holds."""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events
from apo.events import Record, from_json, to_json
from apo.task import Task
from tests.helpers import started, toy_spec

KINDS: tuple[type[events.Fact], ...] = get_args(events.Event)
HOSTILE = (
    "\x00\x1b[31m",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\u2028\n\r\n",
    '"}\n{"n":0',
    "\\ud800",
    "\N{PILE OF POO}",
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20) | st.sampled_from(HOSTILE),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    NoneType: st.none(),
    Any: st.none() | st.integers(-9, 9) | st.text(max_size=5),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that events are made of."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, args))
    if origin in (Mapping, dict):
        return st.dictionaries(values(args[0]), values(args[1]), max_size=2)
    if origin is tuple and args[-1] is ...:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, args))
    assert is_dataclass(kind) or issubclass(kind, msgspec.Struct)
    return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_round_trip(kind: type[events.Fact], data: st.DataObject) -> None:
    """A record is one line that reads back as an equal record."""
    record = Record(data.draw(st.integers(0, 2**40)), data.draw(PLAIN[float]), data.draw(values(kind)))
    line = to_json(record)

    assert b"\n" not in line
    assert record == from_json(line)
    assert type(from_json(line).event) is kind


def test_real_start(toy_task: Task) -> None:
    """A real first event round-trips, rows and spec included."""
    record = Record(0, 1.5, started(toy_task, toy_spec(proposal_model=None)))

    assert record == from_json(to_json(record))


def test_line_format() -> None:
    """The format of a line is fixed, since journals outlive versions."""
    line = to_json(Record(3, 1.5, events.StepFinished(step=1, gain=0.25, calls=7)))

    assert line == b'{"n":3,"t":1.5,"event":{"type":"StepFinished","step":1,"gain":0.25,"calls":7}}'


def test_unknown_fields_ignored() -> None:
    """Fields of a later version are passed over, on every level."""
    record = Record(
        3, 1.5, events.CandidatesProposed(step=1, candidates=(), discarded=(events.Discard("a", "b"),))
    )
    plain = json.loads(to_json(record))
    for level in (plain, plain["event"], plain["event"]["discarded"][0], plain["event"]["spend"]):
        level["later"] = {"x": [1]}

    assert record == from_json(json.dumps(plain).encode())


def test_later_fields_default() -> None:
    """Fields that an earlier version did not write take their defaults."""
    line = b'{"n":0,"t":1,"event":{"type":"CandidatesProposed","step":2,"candidates":[]}}'

    assert Record(0, 1.0, events.CandidatesProposed(step=2, candidates=())) == from_json(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"[1, 2]",
        b'{"n":0,"t":1,"event":{"type":"NoSuchEvent"}}',
        b'{"n":0,"t":1,"event":{"step":1}}',
        b'{"n":0,"t":1,"event":{"type":"StepFinished","step":"one","gain":0,"calls":0}}',
        b'{"n":0,"t":1,"event":{"type":"StepFinished","step":1}}',
        b'{"n":0,"t":1,"event":{"type":"StepFinished","step":1,"gain":0,"calls":0}',
    ],
    ids=["empty", "object", "null", "list", "unknown", "no-type", "wrong-type", "missing", "torn"],
)
def test_not_a_record(line: bytes) -> None:
    """What is no record is an error, never a guess."""
    with pytest.raises(msgspec.DecodeError):
        from_json(line)
