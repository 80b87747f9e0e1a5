"""What every command is made of: its example, its exit codes, the options that it shares, the settings it reads.

Exit code 0 good, 1 a rule failed, 2 wrong usage or configuration. Loads neither Dagster, AWS nor DuckDB.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

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
    """A command whose example stays on a line of its own, as it is typed."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The docstring, wrapped but for its example."""
        text = self.help
        try:
            # A paragraph that begins with this character is click's for one that is not wrapped.
            self.help = text.replace("\n\nExample: ", "\n\n\b\nExample: ") if text else text
            super().format_help_text(ctx, formatter)
        finally:
            self.help = text


class Group(click.Group):
    """Commands with examples."""

    command_class = Command


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text; whatever name, path or answer stands in them, a terminal obeys none of it."""
    click.echo(plain(text, lines=True), err=err)


class Refused(click.ClickException):
    """A rule failed: one sentence, exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the sentence alone."""
        say(self.message, err=True)


class Misused(Refused):
    """The usage or the configuration is wrong: one sentence, exit code 2."""

    exit_code = 2


class InvalidRequest(Misused):
    """What was asked for does not exist. The message says what does."""


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a user can mend into one sentence and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        # Imported here: it loads Dagster and DuckDB, which `cmdb policy` and `cmdb --help` do not need.
        from pipelines.settings import SettingsError
        from resources.aws.profiles import AwsConfigError
        from resources.roles import IdentityRefused
        from resources.store.errors import WarehouseError

        try:
            command(*args, **kwargs)
        except (SettingsError, AwsConfigError, ProductFileError) as error:
            raise Misused(str(error)) from error
        except WarehouseError as error:
            raise (Misused if error.exit_code == 2 else Refused)(str(error)) from error
        except (IdentityRefused, ContractViolation) as error:
            raise Refused(str(error)) from error
        except BrokenPipeError:
            # The reader of our output has gone, such as `head`: nobody is left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return wrapped


def settings_of(*, demo: bool = False) -> "Settings":
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable cannot be used.
    """
    from pipelines.settings import DEMO_DATABASE, read_settings

    environment = dict(os.environ)
    if demo:
        environment["CMDB_DATABASE"] = str(DEMO_DATABASE)
    return read_settings(environment)


def store_of(*, demo: bool) -> "Store":
    """The warehouse that the environment names, or the demo's.

    Raises:
        SettingsError: a variable cannot be used.
    """
    from resources.store.store import Store

    return Store(settings_of(demo=demo).database)


def offering(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What the tab key offers for a parameter; looked up when it is pressed."""

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
    """Print what programs read."""
    click.echo(as_json(facts))


demo_option = click.option("--demo", is_flag=True, help="Look at the demo's warehouse (warehouse/demo/).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
always_json_option = click.option(
    "--json", "as_json", is_flag=True, expose_value=False, help="Print JSON, as it always does."
)
