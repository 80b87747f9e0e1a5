"""The command line, `cmdb`. Exit code 0 good, 1 a rule failed, 2 wrong usage or configuration.

Reads the environment; everything else is handed what it needs.
"""

import gc
import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, get_args

import click
from click.shell_completion import CompletionItem

from pipelines.cli.lies import LIES
from pipelines.plain_text import as_json, plain
from pipelines.settings import DEMO_DATABASE, Settings, SettingsError, read_settings
from resources.contract import ROLES, ContractViolation, Role, policy
from resources.release import ProductFileError
from resources.store.store import Store, Version, WarehouseError

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


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a user can mend into one sentence and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        # Imported here: it loads Dagster, which `cmdb policy` and `cmdb --help` do not need.
        from resources.aws.credentials import AwsConfigError
        from resources.roles import IdentityRefused

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


def _settings(*, demo: bool = False) -> Settings:
    environment = dict(os.environ)
    if demo:
        environment["CMDB_DATABASE"] = str(DEMO_DATABASE)
    return read_settings(environment)


def offering(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What the tab key offers for a parameter; looked up when it is pressed."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from pipelines.cli.completion import OFFERS

        try:
            settings = _settings(demo=bool(context.params.get("demo")))
        except SettingsError:
            return []
        return OFFERS[what](Store(settings.database), context.params, incomplete)

    return complete


def _print_json(facts: Any) -> None:
    click.echo(as_json(facts))


demo_option = click.option("--demo", is_flag=True, help="Look at the demo's warehouse (warehouse/demo/).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
always_json_option = click.option(
    "--json", "as_json", is_flag=True, expose_value=False, help="Print JSON, as it always does."
)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Every command has an example in its --help. `cmdb demo` needs no AWS.",
)
@click.version_option(package_name="aws-org-cmdb")
def main() -> None:
    """The CMDB and cost dataset that an AWS organisation can believe."""


@main.command()
@json_option
@plainly
def preflight(as_json: bool) -> None:
    """Ask who the three central profiles are, and whether they may be used.

    Example: cmdb preflight
    """
    from pipelines.cli.fetch import judge_identities
    from pipelines.cli.terminal import console, facts_table

    settings = _settings()
    facts, recorded = judge_identities(settings)
    if as_json:
        _print_json(
            [
                {"fact": f.name, "passed": f.passed, "severity": f.severity, "said": f.sentence, "cure": f.hint}
                for f in facts
            ]
        )
    else:
        screen = console()
        screen.print(facts_table(facts))
        screen.print(recorded, markup=False)
    if any(fact.blocks for fact in facts):
        raise click.exceptions.Exit(1)


@main.command()
@click.option(
    "--only-untrusted",
    is_flag=True,
    help="Ask again only the cells without a trusted answer of the last 20 hours and those that a rule named, then "
    "build and publish as always.",
)
@demo_option
@json_option
@plainly
def nightly(demo: bool, only_untrusted: bool, as_json: bool) -> None:
    """Run the night: pre-flight, collection, models, checks, publishing.

    With --json, progress is on standard error and the verdict on standard output.

    Example: cmdb nightly --only-untrusted
    """
    from pipelines.alerts import send, verdict_of
    from pipelines.cli.run import as_facts, prepare_dagster_home, run_nightly, summarise
    from pipelines.cli.terminal import console, marked, night_lines, progress_bars
    from pipelines.definitions import NIGHTLY
    from pipelines.report.writing import report_path

    settings = _settings(demo=demo)

    prepare_dagster_home(os.environ)
    store = Store(settings.database)
    environment = os.environ | {"CMDB_DATABASE": str(settings.database)}
    # A third of a second each time: neither a collection of garbage nor the end goes through what is loaded again.
    gc.freeze()
    with progress_bars(on_stderr=as_json):
        night = run_nightly(environment, store, only_untrusted=only_untrusted)
    summary = summarise(store) if night.published else None
    where = " --demo" if demo else ""
    mends = {1: f"coverage --blocked{where}", 2: "preflight"}
    next_step = (
        f'sql{where} "select account_id, account_name, ou_path from org.account"'
        if night.published
        else mends.get(night.exit_code, f"nightly{where}")
    )
    next_command = f".venv/bin/cmdb {next_step}"
    report = "" if night.exit_code else str(report_path(settings.database))
    if as_json:
        _print_json(as_facts(night, summary, str(settings.database), next_command) | {"report": report or None})
    screen = console(on_stderr=as_json)
    if not as_json:
        for line in night_lines(night, summary, str(settings.database), next_command, screen.width, report):
            screen.print(marked(line))
    if night.exit_code and settings.alert_command:
        screen.print(send(settings.alert_command, verdict_of(night.run_id, NIGHTLY, night.sentences)), markup=False)
    if night.exit_code:
        raise click.exceptions.Exit(night.exit_code)


@main.command()
@demo_option
@json_option
@plainly
def confirm(demo: bool, as_json: bool) -> None:
    """Look up in CloudTrail the zeros that it had not recorded yet, then build and publish.

    CloudTrail records a call minutes after it. Run it half an hour after `cmdb nightly`; the next night does it too.

    Example: cmdb confirm
    """
    from pipelines.alerts import send, verdict_of
    from pipelines.cli.fetch import zeros_sentence
    from pipelines.cli.run import prepare_dagster_home, run_nightly
    from pipelines.cli.terminal import console, marked, progress_bars
    from pipelines.collection.confirmation import waits
    from pipelines.collection.confirmation_assets import CONFIRM

    settings = _settings(demo=demo)
    prepare_dagster_home(os.environ)
    store = Store(settings.database)
    if not store.working.exists():
        raise Misused(f"{store.working} does not exist: no night has run yet. Nothing was looked up. Run cmdb nightly.")
    if not waits(store):
        nothing = f"No zero waits for CloudTrail. {settings.database} is as it was."
        if as_json:
            _print_json({"published": False, "exit_code": 0, "said": nothing})
        else:
            console().print(nothing, markup=False)
        return
    environment = os.environ | {"CMDB_DATABASE": str(settings.database)}
    gc.freeze()
    with progress_bars(on_stderr=as_json):
        run = run_nightly(environment, store, job_name=CONFIRM)
    said = zeros_sentence(store, run.run_id)
    if as_json:
        facts = {"run_id": run.run_id, "published": run.published, "exit_code": run.exit_code, "said": said}
        _print_json(facts | {"sentences": run.sentences, "warnings": run.warnings})
    else:
        screen = console()
        state = f"Published {settings.database}" if run.published else f"{settings.database} is as it was."
        for line in (*filter(None, [said]), *(f"✗ {s}" for s in run.sentences), state):
            screen.print(marked(line))
    if run.exit_code and settings.alert_command:
        sent = send(settings.alert_command, verdict_of(run.run_id, CONFIRM, run.sentences))
        console(on_stderr=True).print(sent, markup=False)
    if run.exit_code:
        raise click.exceptions.Exit(run.exit_code)


@main.command()
@click.option(
    "--lie",
    default="",
    metavar="NAME",
    help="Let the simulated AWS lie in a second night.",
    shell_complete=lambda context, parameter, typed: [name for name in LIES if name.startswith(typed)],
)
@plainly
def demo(lie: str) -> None:
    """Run a night on a simulated organisation, in warehouse/demo/; nothing real is touched.

    Lies that must be refused: silent_zero, denied, same_account_twice, expired, throttle_forever.
    Lies that must be survived: empty_page, throttle.

    Example: cmdb demo --lie silent_zero
    """
    from pipelines.cli.demo import NoSimulator, run_demo

    try:
        code = run_demo(lie, os.environ)
    except NoSimulator as error:
        raise Misused(str(error)) from error
    if code:
        raise click.exceptions.Exit(code)


@main.command()
@demo_option
@json_option
@click.option("--blocked", is_flag=True, help="Read the working file: what stopped the last night.")
@plainly
def coverage(demo: bool, as_json: bool, blocked: bool) -> None:
    """Show which cells can be believed: accounts by regions, and the untrusted cells by name.

    Example: cmdb coverage --blocked
    """
    from pipelines.cli.fetch import read_coverage
    from pipelines.cli.terminal import console, rows_table

    found = read_coverage(Store(_settings(demo=demo).database), blocked=blocked)
    if as_json:
        _print_json(found.cells)
        return
    screen = console()
    screen.print(rows_table(found.matrix_columns, found.matrix_rows))
    if found.untrusted:
        screen.print()
        screen.print(rows_table(found.untrusted[0], [list(row.values()) for row in found.untrusted]))
    for sentence in found.refusals:
        screen.print(plain(f"✗ {sentence}"), markup=False)


@main.command()
@click.argument("role", type=click.Choice(ROLES))
@click.argument("listing", shell_complete=offering("listing"))
@click.option(
    "--account", default="", metavar="ID", help="The workload account to ask.", shell_complete=offering("account")
)
@click.option(
    "--region",
    default="",
    help="The region to ask; the home region where none is given.",
    shell_complete=offering("region"),
)
@click.option("--parameter", default="", help="For listings that are asked once a parent: the parent's id.")
@click.option("--verbose", is_flag=True, help="Print the verbatim response.")
@always_json_option
@plainly
def ask(role: Role, listing: str, account: str, region: str, parameter: str, verbose: bool) -> None:
    """Put one question to AWS again; print request, identity and answer. The answer is not stored.

    A question to Cost Explorer costs US$0.01 a page and counts against CMDB_COST_REQUEST_LIMIT.

    Example: cmdb ask workload ec2_instance --account 111122223333 --region ap-southeast-2 --verbose
    """
    from pipelines.cli.fetch import NoSuchQuestion, ask_again

    try:
        shown, trusted = ask_again(_settings(), role, listing, account, region, parameter)
    except NoSuchQuestion as error:
        raise Misused(str(error)) from error
    if not verbose:
        shown.pop("response", None)
    _print_json(shown)
    if not trusted:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("subject", nargs=-1, required=True, metavar="WHAT", shell_complete=offering("subject"))
@click.option("--blocked", is_flag=True, help="Look into the working file: what the last night found.")
@demo_option
@json_option
@plainly
def explain(subject: tuple[str, ...], blocked: bool, demo: bool, as_json: bool) -> None:
    """Tell where a resource or a gap comes from: cell, identity, request, evidence, cure. Asks nobody.

    WHAT is the ARN of a resource, or a cell as `cmdb coverage` prints it: account, region, listing.

    Example: cmdb explain 111122223333 ap-southeast-2 ec2_instance
    """
    from pipelines.cli.explain import NothingKnown, explain_cell, explain_resource
    from pipelines.cli.terminal import console, rows_table

    store = Store(_settings(demo=demo).database)
    if not blocked:
        store.require_current_schema()
    try:
        match subject:
            case (arn,):
                told = explain_resource(store, arn, blocked=blocked)
            case (account, region, listing):
                told = explain_cell(store, account, region, listing, blocked=blocked)
            case _:
                raise Misused("Name a resource by its ARN, or a cell by account, region and listing.")
    except NothingKnown as error:
        raise Misused(str(error)) from error
    if as_json:
        _print_json(told.facts)
    else:
        console().print(rows_table(("", ""), told.lines))


@main.command()
@click.option("--template", is_flag=True, help="Print the role itself: a CloudFormation template for a StackSet.")
@click.option("--role-name", default="aws-org-cmdb-reader", show_default=True, help="What the role is called.")
@click.option("--trusted", default="", metavar="ARN", help="Who may assume the role: the identity that runs the night.")
@click.option("--optional", is_flag=True, help="With the contract's optional grants.")
@click.option("--source-profile", default="", help="The profile that assumes the roles; the operations profile.")
@click.option("--sso-session", default="", metavar="NAME", help="Sign in with this session instead, for people.")
@demo_option
@json_option
@plainly
def profiles(
    template: bool,
    role_name: str,
    trusted: str,
    optional: bool,
    source_profile: str,
    sso_session: str,
    demo: bool,
    as_json: bool,
) -> None:
    """Print the AWS config stanzas that are missing: the organisation's accounts that no profile reaches.

    Example: cmdb profiles >> ~/.aws/config
    """
    from pipelines.cli.profiles import as_rows, reader_template, stanzas, unreached

    settings = _settings(demo=demo)
    if template:
        if not trusted:
            raise Misused(
                "A role needs somebody who may assume it: name the identity that runs the night with --trusted, "
                "such as arn:aws:iam::111122223333:role/night. Nothing was printed."
            )
        say(reader_template(trusted, role_name=role_name, optional=optional))
        return
    accounts = unreached(Store(settings.database))
    if as_json:
        _print_json(as_rows(accounts))
        return
    source_profile = source_profile or settings.operations_profile
    if accounts and not source_profile and not sso_session:
        raise Misused(
            "A stanza needs somebody who assumes the role: set AWS_OPERATIONS_PROFILE, or name --source-profile or "
            "--sso-session. Nothing was printed."
        )
    if accounts:
        tenant = settings.management_profile.removesuffix("Management")
        say(
            stanzas(
                accounts,
                prefix=f"{tenant}-" if tenant and tenant != settings.management_profile else "",
                region=settings.home_region,
                role_name=role_name,
                source_profile=source_profile,
                sso_session=sso_session,
            )
        )
    say(f"{len(accounts)} active account(s) without a profile.", err=True)


@main.command()
@click.argument("account", shell_complete=offering("account"))
@click.argument("region", shell_complete=offering("region"))
@click.argument("listing", shell_complete=offering("cell"))
@click.option("--reason", required=True, help="Why this zero is right; kept with your name.")
@demo_option
@json_option
@plainly
def accept(account: str, region: str, listing: str, reason: str, demo: bool, as_json: bool) -> None:
    """Accept one zero, suspect or not confirmed, until the cell is found again.

    Example: cmdb accept 111122223333 us-east-1 ec2_instance --reason "decommissioned, CHG-1234"
    """
    from pipelines.cli.fetch import NoSuchQuestion, accept_zero

    who = getpass.getuser()
    try:
        sentence = accept_zero(Store(_settings(demo=demo).database), account, region, listing, reason, who)
    except NoSuchQuestion as error:
        raise Misused(str(error)) from error
    if as_json:
        cell = {"account_id": account, "region": region, "listing": listing}
        _print_json({**cell, "accepted_by": who, "accepted_reason": reason, "said": sentence})
        return
    say(sentence)


@main.command(name="policy")
@click.argument("role", type=click.Choice(get_args(Role)))
@click.option("--optional", is_flag=True, help="Add the optional grants.")
@always_json_option
def policy_command(role: Role, optional: bool) -> None:
    """Print the least-privilege IAM policy of a role, as JSON.

    Example: cmdb policy workload > reader.json
    """
    _print_json(policy(role, optional=optional))


@main.command()
@click.argument("query")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
)
@json_option
@click.option("--raw", is_flag=True, help="With --format csv: values exactly as stored, for programs.")
@demo_option
@plainly
def sql(query: str, output: str, as_json: bool, raw: bool, demo: bool) -> None:
    """Ask the published file in SQL; nothing can be changed through it.

    A terminal obeys nothing of what is printed, and a spreadsheet takes no cell of the CSV for a formula: such a cell
    begins with an apostrophe, and what cannot be seen stands as its code point.

    Example: cmdb sql "select account_id, account_name, ou_path from org.account"
    """
    from pipelines.cli.fetch import NoSuchQuestion, answer_sql

    if raw and (as_json or output != "csv"):
        raise Misused(
            "--raw is for --format csv: nothing else changes a value that a program reads. Nothing was asked."
        )
    try:
        answer = answer_sql(Store(_settings(demo=demo).database), query, "json" if as_json else output, raw=raw)
    except NoSuchQuestion as error:
        raise Misused(str(error)) from error
    # Without colour click would drop escape sequences from a pipe, which are then part of a value.
    click.echo(answer, color=True if raw else None)


@main.command()
@click.argument("version", required=False, shell_complete=offering("version"))
@click.option("--list", "listing", is_flag=True, help="Show the versions kept.")
@demo_option
@json_option
@plainly
def rollback(version: str | None, listing: bool, demo: bool, as_json: bool) -> None:
    """Let analysts read an earlier published version again; the newest but one where none is named.

    Example: cmdb rollback
    """
    store = Store(_settings(demo=demo).database)
    if listing and as_json:
        _print_json([_version_facts(kept) for kept in store.versions()])
        return
    if listing:
        for kept in store.versions():
            mark = "*" if kept.is_current else " "
            say(f"{mark} {kept.name}  {kept.published_at:%Y-%m-%d %H:%M:%S} UTC")
        return
    before = store.versions()
    now = store.rollback(version)
    was = next((kept.name for kept in before if kept.is_current), "nothing")
    if as_json:
        _print_json(_version_facts(now) | {"was": was})
        return
    say(
        f"{store.database} is {now.name} again; it was {was}. The next night publishes as always; "
        "`cmdb report` makes the report of this version."
    )


@main.command()
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where; beside the published file else."
)
@demo_option
@plainly
def report(output: Path | None, demo: bool) -> None:
    """Write the report of what is published: one HTML file that needs nothing else. Every night does so too.

    Example: cmdb report --output ~/cost.html
    """
    from datetime import UTC, datetime

    from pipelines.report.writing import report_path, write_report

    store = Store(_settings(demo=demo).database)
    if output is not None and output.suffix != ".html":
        raise Misused(f"The report is an HTML page, so {output} has to end in .html. Nothing was written.")
    written = write_report(store, output or report_path(store.database), datetime.now(UTC))
    say(f"{written.path} shows what run {written.run_id} published ({written.size:,} bytes). Open it in a browser.")


def _version_facts(kept: Version) -> dict[str, Any]:
    return {
        "version": kept.name,
        "run_id": kept.run_id,
        "published_at": f"{kept.published_at:%Y-%m-%dT%H:%M:%SZ}",
        "is_current": kept.is_current,
    }


@main.group(cls=Group)
def fx() -> None:
    """Exchange rates."""


@fx.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["invoice", "month_average", "spot", "budget"]),
    help="Of which kind the rates are, where the file does not say.",
)
@click.option(
    "--base",
    default="NZD",
    show_default=True,
    metavar="CODE",
    help="The currency that a file with a column a currency quotes the others for.",
)
@click.option(
    "--currency", "currencies", multiple=True, metavar="CODE", help="Take this column; all where none is named."
)
@demo_option
@json_option
@plainly
def fx_import(file: Path, kind: Any, base: str, currencies: tuple[str, ...], demo: bool, as_json: bool) -> None:
    """Take in the exchange rates of a CSV, all of them or none.

    Either with the columns from_currency, to_currency, kind, valid_from and rate, or with a date and a column a
    currency as central banks publish them: how much of it one unit of their own currency buys.

    Example: cmdb fx import rates.csv --kind month_average --base NZD --currency USD
    """
    from pipelines.models.fx_rates import FxError, import_rates

    store = Store(_settings(demo=demo).database)
    try:
        imported = import_rates(store, file, kind=kind, base=base, currencies=currencies)
    except FxError as error:
        raise Misused(str(error)) from error
    if as_json:
        _print_json(asdict(imported))
        return
    say(str(imported))


@main.group(cls=Group)
def export() -> None:
    """What other systems take in."""


@export.command(name="servicenow")
@click.argument("dir", type=click.Path(path_type=Path))
@demo_option
@json_option
@plainly
def export_servicenow(dir: Path, demo: bool, as_json: bool) -> None:
    """Write the published configuration items and their relations as CSV files for ServiceNow's import sets.

    DIR gets servicenow_ci.csv (coalesce on correlation_id) and servicenow_relationship.csv (parent, type, child), each
    whole or not at all.

    Example: cmdb export servicenow exports
    """
    from pipelines.cli.servicenow import ExportError, export_to

    store = Store(_settings(demo=demo).database)
    store.require_current_schema()
    try:
        exported = export_to(dir, store)
    except ExportError as error:
        raise Misused(str(error)) from error
    if as_json:
        _print_json([{"file": str(exported.folder / name), "rows": count} for name, count in exported.rows.items()])
        return
    say(str(exported))


@main.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print what makes the tab key offer commands, options, accounts, regions and listings.

    Example: cmdb completion bash > ~/.local/share/bash-completion/completions/cmdb
    """
    from pipelines.cli.completion import script

    click.echo(script(main, "cmdb", shell))


@main.command(hidden=True)
def dev() -> None:
    """Open the Dagster UI on 127.0.0.1 (`make dev`)."""
    from pipelines.cli.demo import NoSimulator, run_dev

    try:
        raise click.exceptions.Exit(run_dev(os.environ))
    except NoSimulator as error:
        raise Misused(str(error)) from error


if __name__ == "__main__":
    main()
