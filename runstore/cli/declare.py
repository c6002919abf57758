"""Declaring commands: what a command takes is said once, for the quick parser, for click and for the documentation.

Importing click costs as much as all the rest of `runstore show` together, so a command does not know it: plain command lines are read by
quick.py, and whatever is unusual (help, a mistake, shell completion) by click, both from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable


class Parameter:
    """One argument, option or flag of a command. `name` is the keyword under which its value reaches the command's function.

    `form`: "argument", "option" (text), "number" (an integer, 0 or more) or "flag". A parameter that is not given has the value None, a
    flag False, one that may be `many` an empty tuple.
    """

    __slots__ = ("choices", "flags", "form", "help", "many", "metavar", "name", "required")

    def __init__(
        self,
        form: str,
        name: str,
        flags: tuple[str, ...] = (),
        *,
        metavar: str = "",
        help: str = "",
        many: bool = False,
        required: bool = False,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.form = form
        self.name = name
        self.flags = flags
        self.metavar = metavar
        self.help = help
        self.many = many
        self.required = required
        self.choices = choices

    @property
    def default(self) -> object:
        """The value of a parameter that is not given."""
        return () if self.many else False if self.form == "flag" else None


def argument(metavar: str, *, name: str | None = None, many: bool = False, required: bool = True) -> Parameter:
    """Declare a positional argument, shown as `metavar`; its value is passed as `name` (the metavar in lower case unless given)."""
    return Parameter("argument", name or metavar.lower(), metavar=metavar, many=many, required=required)


def option(*flags: str, metavar: str, help: str, name: str | None = None, many: bool = False, choices: tuple[str, ...] = ()) -> Parameter:
    """Declare an option that takes a text."""
    return Parameter("option", name or _name(flags), flags, metavar=metavar, help=help, many=many, choices=choices)


def number(*flags: str, metavar: str, help: str) -> Parameter:
    """Declare an option that takes an integer, 0 or more."""
    return Parameter("number", _name(flags), flags, metavar=metavar, help=help)


def flag(*flags: str, help: str) -> Parameter:
    """Declare an option that takes no value."""
    return Parameter("flag", _name(flags), flags, help=help)


def _name(flags: tuple[str, ...]) -> str:
    return flags[0].lstrip("-").replace("-", "_")


class Command:
    """A command: its function, its help and its parameters.

    The function takes a Context and the parameters by name; it returns an exit code, None for 0. `help` opens with one sentence; `examples`
    are command lines, one a line. `program`: the arguments are a command line of another program, whose options are its own.
    """

    __slots__ = ("examples", "help", "parameters", "program", "run")

    def __init__(
        self, run: Callable[..., int | None], *parameters: Parameter, help: str, examples: str = "", program: bool = False
    ) -> None:
        self.run = run
        self.parameters = parameters
        self.help = help
        self.examples = examples
        self.program = program


JSON = flag("--json", help="Print JSON instead of text (docs/json.md).")

# Accepted before the command's name and after it; the last one counts.
GLOBAL = (
    option("--store", metavar="DIR", help="The store. Default: $RUNSTORE, else the nearest .runstore/ upward."),
    option("--actor", metavar="NAME", help="Who writes. Default: $RUNSTORE_ACTOR, else the store's, else user@host."),
)
# The same, as a command's own help names them.
EVERYWHERE = (
    option("--store", metavar="DIR", help="The store; see runstore --help."),
    option("--actor", metavar="NAME", help="Who writes; see runstore --help."),
)
