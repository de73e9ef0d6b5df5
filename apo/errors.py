"""What can go wrong, as a tree; the command line turns each leaf into one message and an exit code.

ApoError
├── ConfigError     what the user asked for cannot be done: exit code 2
│   ├── DataError   a data set cannot be read or used as asked
│   └── ServerError no model answers, or not as asked (before the run has spent anything)
│       └── SilentError   nothing answers at an address at all
└── RunError        the run began and failed: exit code 1
    └── SpentError  a limit was reached inside of a step, which then ends
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ApoError(Exception):
    """Every error that apo raises on purpose; its text is a message for the user."""

    exit_code = 1


class ConfigError(ApoError):
    """The request names something that does not exist, or breaks a rule."""

    exit_code = 2


class DataError(ConfigError):
    """A data set cannot be read, or its rows break a rule."""


class ServerError(ConfigError):
    """No model server answers as asked, found before anything was spent."""


class SilentError(ServerError):
    """Nothing answers at an address; perhaps later."""


class RunError(ApoError):
    """A run that had begun could not go on; what it paid for is in its journal."""


class SpentError(RunError):
    """A limit of the budget was reached while a component worked; what it used is charged."""


def unknown(kind: str, name: str, known: Iterable[str], command: str = "") -> ConfigError:
    """The error for a name that does not exist: the nearest that does, and all of them.

    Args:
        kind: of what, in the singular.
        name: what was found.
        known: what does exist.
        command: lists it too, named in place of a list that would fill the screen.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    there = f"Known {kind}s: {command}" if command else f"Known: {', '.join(names) or 'none'}"
    return ConfigError(f"There is no {kind} {name!r}.{hint} {there}.")
