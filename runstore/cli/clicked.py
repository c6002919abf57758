"""The commands as click sees them: help, mistakes, shell completion and every command line that quick.py leaves alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from runstore.cli.declare import EVERYWHERE, GLOBAL, Parameter
from runstore.cli.errors import DONE, INTERRUPTED, USAGE, guard, say
from runstore.cli.registry import COMMANDS, SECTIONS, load, split_name
from runstore.query.near import near

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_INTRODUCTION = """runstore keeps AI runs as git keeps commits: what ran gets an id, is stored once, and can be found, checked and compared.

A run is named by a revision: an id or its first digits, a ref (main), main~1, @ (the execution recorded last), main:history/0. Data goes
to stdout and talk to stderr; exit codes are listed in docs/exit-codes.md."""


def run(argv: Sequence[str]) -> int:
    """Parse and run a command line with click; return its exit code."""
    program = Program()
    try:
        outcome = program.main(list(argv), prog_name="runstore", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return USAGE
    except click.ClickException as error:
        return _report(error)
    return outcome if isinstance(outcome, int) else DONE


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from runstore import __version__

        click.echo(f"runstore {__version__}")
        context.exit()


_VERSION = click.Option(
    ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit."
)


class Program(click.Group):
    """The group of all commands. Their modules are imported when they are asked for."""

    def __init__(self) -> None:
        super().__init__(
            "runstore", help=_INTRODUCTION, params=[*_clicked(GLOBAL), _VERSION], context_settings=_SETTINGS, no_args_is_help=True
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Build one command; None if there is none of this name."""
        return build(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command at the beginning of `args`, whether its name has one word or two."""
        name, rest = split_name(args)
        if name is not None:
            return name, build(name), list(rest)
        family = {known: summary for known, summary in COMMANDS.items() if known.startswith(args[0] + " ")}
        if family:
            return args[0], Family(args[0], family), list(args[1:])
        found = near(args[0], COMMANDS)
        ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {' or '.join(found)}?" if found else ""))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section."""
        width = max(map(len, COMMANDS))
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in commands.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; in click's standalone mode errors are reported and the process exits, as `runstore` itself does."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        sys.exit(guard(lambda: run(sys.argv[1:] if args is None else args)))


class Family(click.Command):
    """The first word of commands of two words, with a second that none has: `--help` lists them, all else is a mistake."""

    def __init__(self, name: str, family: dict[str, str]) -> None:
        more = click.Argument(["words"], nargs=-1, metavar="COMMAND [ARGS]...", type=click.UNPROCESSED)
        super().__init__(
            name,
            params=[more],
            callback=self._fail,
            help=f"The commands that begin with {name}.",
            context_settings={**_SETTINGS, "ignore_unknown_options": True},
        )
        self._family = family

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._family.items()))

    def _fail(self, words: tuple[str, ...]) -> None:
        seconds = [known.partition(" ")[2] for known in self._family]
        fact = f"there is no command '{self.name} {words[0]}'" if words else f"{self.name!r} is the beginning of a command"
        found = near(words[0], seconds) if words else []
        advice = f"did you mean {self.name} {' or '.join(found)}?" if found else f"it goes on with {', '.join(seconds)}"
        click.get_current_context().fail(f"{fact}; {advice}")


class HelpfulCommand(click.Command):
    """A command whose help closes with examples, as they would be typed."""

    def __init__(self, *args: Any, examples: str, **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a mistake in the options is one of this command, whose help is the next step."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{' ' * formatter.current_indent}{line}\n" for line in self.examples.splitlines()))


def build(name: str) -> click.Command:
    """Build the click command from its declaration."""
    from runstore.cli.program import execute

    command = load(name)

    def callback(**values: Any) -> int:
        context = click.get_current_context()
        before = context.parent.params if context.parent is not None else {}
        after = {parameter.name: values.pop(parameter.name) for parameter in GLOBAL}
        common = {name: before.get(name) if value is None else value for name, value in after.items()}
        return execute(command, common, values)

    return HelpfulCommand(
        name,
        params=_clicked((*command.parameters, *EVERYWHERE)),
        callback=callback,
        help=command.help,
        examples=command.examples,
        context_settings={**_SETTINGS, "allow_interspersed_args": not command.program},
    )


def _clicked(parameters: Sequence[Parameter]) -> list[click.Parameter]:
    return [_argument(one) if one.form == "argument" else _option(one) for one in parameters]


def _argument(one: Parameter) -> click.Argument:
    shown = one.metavar if one.required else f"[{one.metavar}]"
    return click.Argument(
        [one.name], required=one.required, nargs=-1 if one.many else 1, metavar=shown + ("..." if one.many else ""), type=click.UNPROCESSED
    )


def _option(one: Parameter) -> click.Option:
    kind: Any = click.IntRange(min=0) if one.form == "number" else click.Choice(one.choices) if one.choices else click.UNPROCESSED
    if one.form == "flag":
        return click.Option([*one.flags, one.name], is_flag=True, help=one.help)
    return click.Option([*one.flags, one.name], type=kind, multiple=one.many, metavar=one.metavar, help=one.help)


def _report(error: click.ClickException) -> int:
    say(f"error: {error.format_message().strip()}")
    context = getattr(error, "ctx", None)
    path = "runstore" if context is None else context.command_path
    say(f"hint: `{path} --help` says what it takes")
    return USAGE if isinstance(error, click.UsageError) else error.exit_code
