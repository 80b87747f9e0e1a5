"""The command line, `cmdb`: one file a command. Exit code 0 good, 1 a rule failed, 2 wrong usage or configuration.

Only the command line and the definitions read the environment; other modules get what they need as arguments. A
command's module is loaded when the command is named, Dagster and AWS when it runs.
"""

import io
import os
import sys

import click

from pipelines.cli.command import LazyGroup
from pipelines.freed_memory import return_soon
from pipelines.lost_interrupts import send_again

MODULES = {
    "accept": "pipelines.cli.accept",
    "ask": "pipelines.cli.fetch",
    "bill-month": "pipelines.cli.bill_month",
    "completion": "pipelines.cli.completion",
    "confirm": "pipelines.cli.confirm",
    "coverage": "pipelines.cli.coverage",
    "demo": "pipelines.cli.demo",
    "dev": "pipelines.cli.demo",
    "diff": "pipelines.cli.diff",
    "digest": "pipelines.cli.digest",
    "explain": "pipelines.cli.explain",
    "explore": "pipelines.cli.explore",
    "export": "pipelines.cli.export",
    "fx": "pipelines.cli.fx",
    "history": "pipelines.cli.history",
    "init": "pipelines.cli.init",
    "mcp": "pipelines.cli.mcp.command",
    "nightly": "pipelines.cli.run",
    "policy": "pipelines.cli.policy",
    "preflight": "pipelines.cli.preflight",
    "profiles": "pipelines.cli.profiles",
    "publish-copy": "pipelines.cli.publish_copy",
    "reference": "pipelines.cli.reference",
    "report": "pipelines.cli.report",
    "rollback": "pipelines.cli.rollback",
    "sql": "pipelines.cli.sql",
    "status": "pipelines.cli.status",
    "tables": "pipelines.cli.tables",
    "worker": "pipelines.cli.worker",
}
"""The module of each command."""


@click.group(
    cls=LazyGroup,
    modules=MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Every command has an example in its --help. `cmdb demo` needs no AWS.",
)
@click.version_option(package_name="aws-org-cmdb")
def main() -> None:
    """The CMDB and cost dataset that an AWS organisation can trust."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the locale cannot write, such as `✗` in Latin-1, is no error.
            stream.reconfigure(errors="backslashreplace")
    return_soon(os.environ)
    send_again()


if __name__ == "__main__":
    main()
