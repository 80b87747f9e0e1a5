"""`cmdb policy`: the least-privilege IAM policy of a role."""

from typing import get_args

import click

from pipelines.cli.command import Command, always_json_option, print_json
from resources import contract
from resources.contract import Role


@click.command(cls=Command)
@click.argument("role", type=click.Choice(get_args(Role)))
@click.option("--optional", is_flag=True, help="Add the optional grants.")
@always_json_option
def policy(role: Role, optional: bool) -> None:
    """Print the least-privilege IAM policy of a role, as JSON.

    Example: cmdb policy workload > reader.json
    """
    print_json(contract.policy(role, optional=optional))
