"""`cmdb init`: the first contact. Asks for the profiles, tries them, says what runs cost, writes the settings file."""

import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import Command, Misused, Refused, can_ask, plainly, say
from pipelines.cli.dagster_home import prepare_dagster_home
from pipelines.cli.upcoming import cost_lines, upcoming
from resources.contract import CONTRACT, Role
from resources.identity_rules import ACCOUNTS_ARE_DISTINCT, CENTRAL_ROLES

if TYPE_CHECKING:
    from pipelines.collection.forecast import Forecast
    from resources.check_result import CheckResult

SHARED = "CMDB_SHARED_ACCOUNTS"
WORKLOAD = "CMDB_WORKLOAD_PROFILES"
REGION = "AWS_DEFAULT_REGION"

FILES = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"}
"""Variables of files, which others read from the folder where they are started."""

ROOM_FOR_PAGES = 2
"""How many times the requests that are certain a first load in one go may send: large responses have several pages."""


@click.command(cls=Command)
@click.option("--management", default="", metavar="PROFILE", help="The profile of the management account.")
@click.option("--operations", default="", metavar="PROFILE", help="The profile of the operations account.")
@click.option("--billing", default="", metavar="PROFILE", help="The profile of the payer account.")
@click.option("--workload", default="", metavar="NAMES", help="Names or globs of the workload profiles, with commas.")
@click.option("--region", default="", help="The home region.")
@click.option("--shared", default="", metavar="PAIRS", help="Roles that share an account, such as management+billing.")
@click.option(
    "--first-load",
    type=click.Choice(["spread", "at-once"]),
    default=None,
    help="Load the bill's history within the daily limit, or in the first run.",
)
@click.option(
    "--yes",
    "is_agreed",
    is_flag=True,
    help="Ask nothing: a central profile that nothing names is refused, the rest takes its default.",
)
@click.option("--force", is_flag=True, help="Write over a settings file that is there.")
@plainly
def init(
    management: str,
    operations: str,
    billing: str,
    workload: str,
    region: str,
    shared: str,
    first_load: str | None,
    is_agreed: bool,
    force: bool,
) -> None:
    """Try the profiles, show what they reach and what runs cost, and write the settings file.

    On a terminal it asks for what no option names. It only reads, and refused profiles leave nothing behind.

    Example: cmdb init --management acmeManagement --operations acmeOperations --billing acmeBilling --yes
    """
    from pipelines.settings import secrets
    from pipelines.settings_file import settings_path

    path = settings_path(os.environ)
    if path.exists() and not path.is_char_device() and not force:
        raise Misused(f"{path} is there already. Nothing was tried. Edit it, or write it anew with --force.")
    asks = can_ask() and not is_agreed
    given: dict[str, str] = {
        CONTRACT["management"].profile_env: management,
        CONTRACT["operations"].profile_env: operations,
        CONTRACT["billing"].profile_env: billing,
        WORKLOAD: workload,
        REGION: region,
        SHARED: shared,
    }
    settings = _carried() | {name: value for name, value in given.items() if value}
    _complete(settings, asks=asks)
    forecast = _tried(settings, asks=asks)
    at_once = _loads_at_once(forecast, first_load, asks=asks)
    if asks and not click.confirm(f"Write these settings to {path}?", default=True):
        raise Refused("Nothing was written.")
    _write(path, settings)
    # No unit of systemd starts without the folder, and an empty one would have Dagster's own settings.
    prepare_dagster_home(os.environ)
    limit = _limit(forecast)
    how = f" --cost-requests {limit}" if at_once else ""
    say(f"Written: {path}. Every command and Dagster read it; a variable of the environment wins.")
    if left := [name for name in sorted(secrets()) if os.environ.get(name, "").strip()]:
        say(f"{' and '.join(left)} can hold a secret, so the file does not. Set it also where runs are scheduled.")
    say(f"Next: .venv/bin/cmdb nightly{how}")


def _carried() -> dict[str, str]:
    """The product's variables that the environment sets, so that a scheduled run has them too; no secret."""
    from pipelines.settings import secrets
    from pipelines.settings_file import variables

    leave = {CONTRACT["workload"].profile_env, "CMDB_PORT", *secrets()}
    found = {name: value for name in variables() if name not in leave and (value := os.environ.get(name, "").strip())}
    # A scheduled run begins in another folder.
    return found | {name: str(Path.cwd() / found[name]) for name in FILES & found.keys() if found[name][0] != "~"}


def _complete(settings: dict[str, str], *, asks: bool) -> None:
    """Ask for what is missing, or refuse it where nobody can be asked."""
    from resources.aws.profiles import available_profiles
    from resources.identity_rules import usual_pattern

    names = available_profiles()
    if not names:
        raise Misused(
            "The AWS config file has no profile. Nothing was tried. docs/howto/connect-aws.md says how to write it."
        )
    for role in CENTRAL_ROLES:
        variable = CONTRACT[role].profile_env
        if variable not in settings:
            if not asks:
                raise Misused(
                    f"No {role} profile is named. Nothing was tried. Name it with --{role}, or set {variable}; the AWS "
                    f"config file has {', '.join(names[:10])}{' and more' if len(names) > 10 else ''}."
                )
            guess = next((name for name in names if name.lower().endswith(role)), None)
            settings[variable] = click.prompt(
                f"Profile of the {role} account ({CONTRACT[role].account})", default=guess
            )
    if REGION not in settings:
        manager = settings[CONTRACT["management"].profile_env]
        own = _region_of(manager)
        if not (own or asks):
            raise Misused(
                f"Profile {manager} names no region, and its partition has no usual one. Nothing was tried. Name the "
                "home region with --region."
            )
        settings[REGION] = click.prompt("Home region", default=own or None) if asks else own
    if WORKLOAD not in settings:
        manager = settings[CONTRACT["management"].profile_env]
        usual = usual_pattern(manager)
        if asks:
            settings[WORKLOAD] = click.prompt("Workload profiles (names or globs, with commas)", default=usual or None)
        elif not usual:
            raise Misused(
                f"No workload profile is named, and {manager} does not end in Management. Nothing was tried. Name them "
                "with --workload."
            )
        else:
            settings[WORKLOAD] = usual


def _region_of(profile: str) -> str:
    """The region of a profile or of the end of its chain, else the usual one of its partition; empty where none is."""
    from resources.aws.listing import partition_of
    from resources.aws.messages import arn_partition
    from resources.aws.profiles import AwsConfig
    from resources.aws.service_models import GLOBAL_SERVICE_REGIONS

    config = AwsConfig.now()
    settings = config.chain_settings(profile)
    if "region" in settings:
        return str(settings["region"])
    if "role_arn" in settings:
        return GLOBAL_SERVICE_REGIONS.get(arn_partition(settings["role_arn"]), "")
    session = config.whole.get("sso_sessions", {}).get(settings.get("sso_session"), {})
    sso_region = session.get("sso_region") or settings.get("sso_region", "")
    return GLOBAL_SERVICE_REGIONS.get(partition_of(sso_region), "")


def _tried(settings: dict[str, str], *, asks: bool) -> "Forecast":
    """Try the settings, and show what they lead to; adds the accounts that they are to lead to from now on.

    Raises:
        Refused: a check of the pre-flight fails. Nothing was written.
    """
    from pipelines import reference
    from pipelines.cli.terminal import check_table, console
    from pipelines.settings import read_settings
    from pipelines.trust.role_resources import aws_roles
    from resources.roles import Management
    from resources.store.errors import WarehouseError
    from resources.store.store import Store

    screen = console()
    while True:
        judged = read_settings({**os.environ, **settings})
        reference.require(judged.reference)
        resources = aws_roles(judged)
        management = resources["management"]
        assert isinstance(management, Management), "the resource of the role management"
        callers, _, _, results = management.preflight()
        screen.print(check_table(results))
        blocking = [result for result in results if result.blocks]
        if not blocking:
            break
        pairs = _same_accounts({role: callers[role].account_id for role in CENTRAL_ROLES})
        if not (asks and _only_distinct(blocking) and pairs and _is_shared_on_purpose(pairs)):
            shares = f" Where an account is shared on purpose, say so with --shared {pairs}." if pairs else ""
            raise Refused(f"The profiles may not be used as they are. Nothing was written.{shares}")
        settings[SHARED] = pairs
    for role in ("operations", "billing"):
        account = callers[role].account_id
        assert account is not None, "the pre-flight passed"
        settings[f"CMDB_{role.upper()}_ACCOUNT"] = account
    from pipelines.cli.survey import NoAccounts, survey, survey_lines

    try:
        found = survey(judged, resources, callers)
    except NoAccounts as error:
        raise Refused(f"{error} Nothing was written.") from error
    finally:
        for resource in resources.values():
            resource.close()
    try:
        forecast = upcoming(Store(judged.database), judged)
    except WarehouseError as error:
        raise Refused(f"{error} Nothing was written.") from error
    for line in (*survey_lines(found), *cost_lines(forecast)):
        screen.print(line, markup=False)
    if not found.reached.profile_of:
        raise Refused(
            f"No workload profile reaches an account of the organisation ({WORKLOAD}={settings[WORKLOAD]}), and a run "
            "needs one. Nothing was written."
        )
    return forecast


def _only_distinct(blocking: "list[CheckResult]") -> bool:
    return [result.name for result in blocking] == [ACCOUNTS_ARE_DISTINCT]


def _same_accounts(account_of: Mapping[Role, str | None]) -> str:
    """The pairs of roles that lead to one account, as `CMDB_SHARED_ACCOUNTS` writes them."""
    return ",".join(
        f"{one}+{other}"
        for one, other in combinations(CENTRAL_ROLES, 2)
        if account_of[one] is not None and account_of[one] == account_of[other]
    )


def _is_shared_on_purpose(pairs: str) -> bool:
    return click.confirm(f"{pairs} lead to one account. Is that on purpose?", default=False)


def _loads_at_once(forecast: "Forecast", first_load: str | None, *, asks: bool) -> bool:
    of_bill = forecast.next_run[0]
    if not forecast.is_first_load or of_bill.units is None or of_bill.runs == 1:
        return False
    if first_load is None and asks:
        limit = _limit(forecast)
        return click.confirm(
            f"Load the bill's history in one go, with at most {limit:,} requests today "
            f"({limit * of_bill.unit_usd:,.2f} USD), in place of {of_bill.runs} runs on different days?",
            default=False,
        )
    return first_load == "at-once"


def _limit(forecast: "Forecast") -> int:
    of_bill = forecast.next_run[0]
    return ROOM_FOR_PAGES * (of_bill.units or of_bill.limit)


def _write(path: Path, settings: Mapping[str, str]) -> None:
    from pipelines.settings_file import written
    from resources.store.files import atomic_write

    try:
        with atomic_write(path) as file:
            file.write(written(settings))
    except OSError as error:
        raise Misused(f"{path} cannot be written: {error.strerror}. Nothing was written.") from error
