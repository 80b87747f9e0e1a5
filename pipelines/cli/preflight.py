"""`cmdb preflight`: the identities of the three central profiles, and whether they may be used."""

import uuid
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import Command, Refused, json_option, plainly, print_json, settings_of
from resources.check_result import CheckResult

if TYPE_CHECKING:
    from pipelines.settings import Settings


@click.command(cls=Command)
@click.option(
    "--accounts", "tries_accounts", is_flag=True, help="Try one listing of each service in every account too."
)
@json_option
@plainly
def preflight(tries_accounts: bool, as_json: bool) -> None:
    """Check the identities of the three central profiles, and whether they may be used; say what the next run costs.

    Example: cmdb preflight --accounts
    """
    from pipelines import reference
    from pipelines.cli.terminal import check_table, console

    settings = settings_of()
    reference.require(settings.reference)
    check_results, recorded = judge_identities(settings)
    if as_json:
        print_json(
            [
                {"check": f.name, "passed": f.passed, "severity": f.severity, "sentence": f.sentence, "hint": f.hint}
                # Names of the release before, for one version.
                | {"fact": f.name, "said": f.sentence, "cure": f.hint}
                for f in check_results
            ]
        )
    else:
        screen = console()
        screen.print(check_table(check_results))
        screen.print(recorded, markup=False)
    blocked = any(result.blocks for result in check_results)
    refused = False if blocked or not tries_accounts else _try_accounts(settings, as_json=as_json)
    if not as_json:
        _say_costs(settings)
    if refused or blocked:
        raise click.exceptions.Exit(1)


def _try_accounts(settings: "Settings", *, as_json: bool) -> bool:
    """Send every account one listing of each service, and print what they answer; returns whether any refused.

    Raises:
        Refused: the organisation's accounts cannot be listed.
    """
    from pipelines.cli.survey import NoAccounts, survey, survey_lines
    from pipelines.cli.terminal import console
    from pipelines.trust.role_resources import aws_roles

    resources = aws_roles(settings)
    try:
        found = survey(settings, resources, resources["management"].callers())
    except NoAccounts as error:
        raise Refused(str(error)) from error
    finally:
        for resource in resources.values():
            resource.close()
    for line in survey_lines(found):
        console(on_stderr=as_json).print(line, markup=False)
    return bool(found.refused)


def _say_costs(settings: "Settings") -> None:
    from pipelines.cli.terminal import console
    from pipelines.cli.upcoming import cost_lines, unknown_cost, upcoming
    from resources.store.errors import WarehouseError
    from resources.store.store import Store

    try:
        lines = cost_lines(upcoming(Store(settings.database), settings))
    except WarehouseError as error:
        lines = [unknown_cost(error)]
    for line in lines:
        console().print(line, markup=False)


def judge_identities(settings: "Settings") -> tuple[tuple[CheckResult, ...], str]:
    """Request and judge the identities and the bill; returns six check results, and a sentence on their record."""
    from pipelines.preflight_assets import record
    from pipelines.trust.role_resources import aws_roles
    from resources.audit.runs import PREFLIGHT_RUN, begin_run, finish_run
    from resources.installation import code_version
    from resources.roles import Management
    from resources.store.errors import WarehouseError
    from resources.store.store import Store

    management = aws_roles(settings)["management"]
    assert isinstance(management, Management), "the resource of the role management"
    callers, organization, bill, check_results = management.preflight()
    store = Store(settings.database)
    run_id = f"{PREFLIGHT_RUN}{uuid.uuid4()}"
    try:
        with store.holding(run_id, "cmdb preflight"):
            published = [version.run_id for version in store.versions()]
            with store.transaction() as connection:
                begin_run(connection, run_id, code_version(), published)
            record(store, run_id, management, settings, callers, organization, bill, check_results)
            with store.transaction() as connection:
                outcome = "refused" if any(result.blocks for result in check_results) else "preflight"
                finish_run(connection, run_id, outcome)
    except WarehouseError as error:
        if error.exit_code == 2:
            raise
        return check_results, f"Not recorded: {error}"
    return check_results, f"Recorded in {store.working} as run {run_id}."
