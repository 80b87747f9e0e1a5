"""The commands of a group, those too whose module is imported only when they are named."""

import click


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """Each command by its name, as the group's help lists them."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
