"""The parts that all commands share: help text, exit codes, common options, settings.

Exit code 0 good, 1 a rule failed, 2 wrong usage or configuration. Loads neither Dagster, AWS nor DuckDB.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, ParamSpec

import click
from click.shell_completion import CompletionItem

from pipelines.plain_text import as_json, plain
from resources.contract import ContractViolation
from resources.release import ProductFileError

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from resources.store.store import Store

P = ParamSpec("P")


class Command(click.Command):
    """A command whose help shows the example on one unwrapped line."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the docstring, wrapped except for its example."""
        text = self.help
        try:
            # click does not wrap a paragraph that begins with this character.
            self.help = text.replace("\n\nExample: ", "\n\n\b\nExample: ") if text else text
            super().format_help_text(ctx, formatter)
        finally:
            self.help = text


class Group(click.Group):
    """A group whose help shows examples on unwrapped lines."""

    command_class = Command


class LazyGroup(Group):
    """A group that imports a command's module when the command is named, or when the help lists all.

    Args:
        modules: the module of each command; the command is the module's attribute of the same name, with `_` for `-`.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; None for a name that the group does not have."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = getattr(import_module(self.modules[cmd_name]), cmd_name.replace("-", "_"))
        return command


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text without terminal control characters, whatever name, path or response the text contains."""
    click.echo(plain(text, lines=True), err=err)


def drop(stream: IO[str]) -> None:
    """Let go of what a stream still holds: a reader such as `head` has closed it, or its disk is full.

    Else Python would report an error at exit.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def can_ask() -> bool:
    """Whether somebody at a terminal can answer a question."""
    return sys.stdin.isatty()


class Refused(click.ClickException):
    """A rule failed: one sentence, exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the sentence alone, without click's prefix."""
        say(self.message, err=True)


class Misused(Refused):
    """The usage or the configuration is wrong: one sentence, exit code 2."""

    exit_code = 2


class InvalidRequest(Misused):
    """The requested object does not exist. The message names those that do."""


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Turn errors that a user can fix into one sentence and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        from resources.objects.errors import ObjectStoreError
        from resources.store.errors import WarehouseError

        demo = bool(kwargs.get("demo"))
        try:
            command(*args, **kwargs)
        except Refused as error:
            if not demo:
                raise
            raise type(error)(as_typed(error.message, demo=True)) from error
        except click.ClickException:
            raise
        except KeyboardInterrupt:
            # A run that is interrupted ends by itself, with a sentence of its own.
            say("Interrupted. Nothing unfinished was published.", err=True)
            raise click.exceptions.Exit(130) from None
        except (WarehouseError, ObjectStoreError) as error:
            raise (Misused if error.exit_code == 2 else Refused)(as_typed(str(error), demo=demo)) from error
        except BrokenPipeError:
            drop(sys.stdout)
        # Python asks for the classes only where an exception came this far.
        except _wrong_configuration() as error:
            raise Misused(as_typed(str(error), demo=demo)) from error
        except _refusals() as error:
            raise Refused(as_typed(str(error), demo=demo)) from error

    return wrapped


def _wrong_configuration() -> tuple[type[Exception], ...]:
    """The errors of settings, profiles and files. Loads botocore."""
    from pipelines.exports.files import ExportError
    from pipelines.reference import ReferenceFileError
    from pipelines.settings import SettingsError
    from resources.aws.profiles import AwsConfigError

    return (SettingsError, AwsConfigError, ProductFileError, ReferenceFileError, ExportError)


def _refusals() -> tuple[type[Exception], ...]:
    """The errors of identities and the contract. Loads Dagster."""
    from pipelines.publishing.copying import Overtaken
    from resources.roles import IdentityRefused

    return (IdentityRefused, ContractViolation, Overtaken)


def settings_of(*, demo: bool = False) -> "Settings":
    """The settings of this process's environment, completed by those of the settings file but for the demo's.

    Raises:
        SettingsError: a variable or a line of the file cannot be used.
    """
    from pipelines.settings import DEMO_DATABASE, read_settings
    from pipelines.settings_file import load

    if demo:
        # What the demo finds must not pass for the organisation's.
        of_organisation = dict.fromkeys(
            ("CMDB_NOTIFY", "CMDB_UI_URL", "CMDB_OBJECTS_URL", "CMDB_LOCK_URL", "CMDB_BROKER_URL"), ""
        )
        return read_settings({**os.environ, "CMDB_DATABASE": str(DEMO_DATABASE), **of_organisation})
    load(os.environ)
    return read_settings(os.environ)


def store_of(*, demo: bool) -> "Store":
    """The warehouse that the environment names, or the demo's.

    Raises:
        SettingsError: a variable cannot be used.
    """
    from resources.store.store import Store

    return Store(settings_of(demo=demo).database)


def offering(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """A shell completion for a parameter; it loads and reads only when somebody presses the tab key."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from pipelines.cli.offers import OFFERS
        from pipelines.settings import SettingsError

        try:
            store = store_of(demo=bool(context.params.get("demo")))
        except SettingsError:
            return []
        return OFFERS[what](store, context.params, incomplete)

    return complete


def print_json(facts: Any) -> None:
    """Print JSON for programs."""
    click.echo(as_json(facts))


@contextmanager
def interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Treat these signals as Ctrl-C: a service manager sends SIGTERM, a terminal that is closed SIGHUP."""
    # What somebody ignores, as nohup does, stays ignored.
    heeded = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_WITH_DEMO = (
    "accept", "ask", "bill-month", "confirm", "coverage", "diff", "digest", "explain", "explore", "history", "mcp",
    "nightly", "profiles", "report", "rollback", "sql", "status", "tables",
)  # fmt: skip
"""The commands that know `--demo`; a test compares them with the options of all."""

_NAMED = re.compile(rf"(?<=`)(cmdb (?:{'|'.join(_WITH_DEMO)})(?![\w-])[^`]*?)(?=`)")


def as_typed(text: str, *, demo: bool) -> str:
    """A sentence whose commands can be typed as they stand: about the demo's warehouse they need `--demo`."""
    return _NAMED.sub(lambda found: found[1] if "--demo" in found[1] else f"{found[1]} --demo", text) if demo else text


demo_option = click.option("--demo", is_flag=True, help="Look at the demo's warehouse (warehouse/demo/).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
always_json_option = click.option(
    "--json", "as_json", is_flag=True, expose_value=False, help="Print JSON, as it always does."
)
