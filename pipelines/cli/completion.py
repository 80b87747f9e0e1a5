"""`cmdb completion`: the shell code that completes commands and names with the tab key."""

import click
from click.shell_completion import get_completion_class

from pipelines.cli.command import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print shell code that completes commands, options, accounts, regions and listings.

    Example: cmdb completion bash > ~/.local/share/bash-completion/completions/cmdb
    """
    click.echo(script(context.find_root().command, "cmdb", shell))


def script(program: click.Command, name: str, shell: str) -> str:
    """The code that a shell evaluates, so that its tab key calls this program.

    Args:
        program: the command line.
        name: the program's name in the shell.
        shell: `bash`, `zsh` or `fish`.
    """
    found = get_completion_class(shell)
    assert found is not None, "the shells that are offered are click's"
    return found(program, {}, name, f"_{name.upper()}_COMPLETE").source()
