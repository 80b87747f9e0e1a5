"""`cmdb policy`: the least-privilege IAM policy of a role."""

from typing import get_args

import click

from pipelines.cli.command import Command, always_json_option, plainly, print_json, settings_of
from resources import contract
from resources.aws.listing import partition_of
from resources.contract import Role


@click.command(cls=Command)
@click.argument("role", type=click.Choice(get_args(Role)))
@click.option("--optional", is_flag=True, help="Add the optional grants.")
@always_json_option
@plainly
def policy(role: Role, optional: bool) -> None:
    """Print the least-privilege IAM policy of a role, as JSON.

    With --optional the policy of billing names the bucket and folder of CMDB_DATA_EXPORT, where that is set.

    Example: cmdb policy workload > reader.json
    """
    export, partition = "", "aws"
    if optional and role == "billing":
        settings = settings_of()
        if settings.data_export is not None:
            export = f"{settings.data_export.bucket}/{settings.data_export.folder}"
            partition = partition_of(settings.home_region)
    print_json(contract.policy(role, optional=optional, export=export, partition=partition))
