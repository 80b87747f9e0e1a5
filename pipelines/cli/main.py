"""The command line, `cmdb`: one file a command. Exit code 0 good, 1 a rule failed, 2 wrong usage or configuration.

Only the command line and the definitions read the environment; other modules get what they need as arguments. No
command loads Dagster or AWS before it is called.
"""

import click

from pipelines.cli.accept import accept
from pipelines.cli.bill_month import bill_month
from pipelines.cli.command import Group
from pipelines.cli.completion import completion
from pipelines.cli.confirm import confirm
from pipelines.cli.coverage import coverage
from pipelines.cli.demo import demo, dev
from pipelines.cli.diff import diff
from pipelines.cli.digest import digest
from pipelines.cli.explain import explain
from pipelines.cli.explore import explore
from pipelines.cli.export import export
from pipelines.cli.fetch import ask
from pipelines.cli.fx import fx
from pipelines.cli.history import history
from pipelines.cli.init import init
from pipelines.cli.mcp.command import mcp
from pipelines.cli.policy import policy
from pipelines.cli.preflight import preflight
from pipelines.cli.profiles import profiles
from pipelines.cli.publish_copy import publish_copy
from pipelines.cli.reference import reference
from pipelines.cli.report import report
from pipelines.cli.rollback import rollback
from pipelines.cli.run import nightly
from pipelines.cli.sql import sql
from pipelines.cli.status import status
from pipelines.cli.tables import tables
from pipelines.cli.worker import worker


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Every command has an example in its --help. `cmdb demo` needs no AWS.",
)
@click.version_option(package_name="aws-org-cmdb")
def main() -> None:
    """The CMDB and cost dataset that an AWS organisation can trust."""


for command in (
    accept, ask, bill_month, completion, confirm, coverage, demo, dev, diff, digest, explain, explore, export, fx,
    history, init, mcp, nightly, policy, preflight, profiles, publish_copy, reference, report, rollback, sql, status,
    tables, worker,
):  # fmt: skip
    main.add_command(command)


if __name__ == "__main__":
    main()
