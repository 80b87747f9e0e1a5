"""`cmdb completion`: what a shell evaluates so that its tab key asks us."""

import click
from click.shell_completion import get_completion_class

from pipelines.cli.command import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes the tab key offer commands, options, accounts, regions and listings.

    Example: cmdb completion bash > ~/.local/share/bash-completion/completions/cmdb
    """
    click.echo(script(context.find_root().command, "cmdb", shell))


def script(program: click.Command, name: str, shell: str) -> str:
    """What a shell has to evaluate, so that its tab key asks us.

    Args:
        program: the command line.
        name: what it is called.
        shell: `bash`, `zsh` or `fish`.
    """
    found = get_completion_class(shell)
    assert found is not None, "the shells that are offered are click's"
    return found(program, {}, name, f"_{name.upper()}_COMPLETE").source()
