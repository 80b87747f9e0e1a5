"""`cmdb ask`: send one request of the catalogue again, and print request, identity and response."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pipelines.catalogue.metrics import MEASURED
from pipelines.catalogue.names import COST_BY_MONTH, COST_EXPORT, COST_MONTHLY, COST_RESOURCE, EXPLORER, METRIC
from pipelines.catalogue.registry import listings
from pipelines.cli.command import (
    Command,
    InvalidRequest,
    always_json_option,
    offering,
    plainly,
    print_json,
    settings_of,
)
from pipelines.cli.simulation import simulates_demo
from pipelines.collection import metrics
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import Identity, Request
from resources.contract import ROLES, Role

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.settings import Settings
    from resources.roles import Workload


@click.command(cls=Command)
@click.argument("role", type=click.Choice(ROLES))
@click.argument("listing", shell_complete=offering("listing"))
@click.option(
    "--account", default="", metavar="ID", help="The workload account to request.", shell_complete=offering("account")
)
@click.option(
    "--region",
    default="",
    help="The region of the request; the home region where none is given.",
    shell_complete=offering("region"),
)
@click.option("--parameter", default="", help="For listings that are requested once per parent: the parent's id.")
@click.option("--verbose", is_flag=True, help="Print the verbatim response.")
@always_json_option
@click.option("--demo", is_flag=True, help="Ask the simulated organisation, without any fault.")
@plainly
@simulates_demo
def ask(role: Role, listing: str, account: str, region: str, parameter: str, verbose: bool, demo: bool) -> None:
    """Send one request to AWS again; print request, identity and response. Nothing is stored.

    A request to Cost Explorer costs US$0.01 a page and counts against CMDB_COST_REQUEST_LIMIT.

    Example: cmdb ask workload ec2_instance --account 111122223333 --region ap-southeast-2 --verbose
    """
    shown, trusted = fetch_once(settings_of(demo=demo), role, listing, account, region, parameter)
    if not verbose:
        shown.pop("response", None)
    print_json(shown)
    if not trusted:
        raise click.exceptions.Exit(1)


def fetch_once(
    settings: "Settings", role: Role, listing_name: str, account: str, region: str, parameter: str
) -> tuple[dict[str, Any], bool]:
    """Send one request; returns the data to print, and whether the response has records.

    Raises:
        InvalidRequest: the listing, the account or the parameter does not fit; nothing was sent.
        IdentityRefused: the caller is not the expected one; nothing was sent.
        DailyLimitReached: AWS charges for the listing, and the day allows no further request; nothing was sent.
    """
    from pipelines.collection.paid_limits import daily_limits
    from pipelines.trust.role_resources import aws_roles
    from resources.audit.paid_requests import PaidRequests
    from resources.roles import Workload
    from resources.store.store import Store

    known = listings()
    # A cell's name in the output of `cmdb coverage` includes its parameter.
    listing_name, _, suffix = listing_name.partition(":")
    parameter = parameter or suffix
    listing = known.get(listing_name)
    if listing is None or role not in listing.roles:
        own = ", ".join(sorted(name for name, entry in known.items() if role in entry.roles))
        raise InvalidRequest(f"{role} requests no listing {listing_name!r}. It requests: {own or 'none'}.")
    if listing.each is not None and listing.each.parameter and not parameter:
        raise InvalidRequest(
            f"{listing_name} is requested once for each {listing.each.parameter}. Name one with --parameter."
        )
    if listing.name == COST_EXPORT:
        raise InvalidRequest(
            f"{COST_EXPORT} is files of a bucket, and only a run reads them. Nothing was requested. "
            "`cmdb nightly --only-untrusted` fetches what could not be read."
        )
    view = settings.explorer_view if listing.name == EXPLORER else ""
    if listing.name == EXPLORER and not view:
        raise InvalidRequest(
            f"{EXPLORER} is what a view shows. Set CMDB_EXPLORER_VIEW to the view's ARN. Nothing was requested."
        )
    paid_requests = PaidRequests(Store(settings.database), f"ask-{uuid.uuid4()}", daily_limits(settings))
    paid_requests.require(listing.service)
    resource = aws_roles(settings)[role]
    identity = resource.verify()
    if isinstance(resource, Workload):
        identity = _workload_identity(resource, account)
    assert identity is not None, "a central role has one identity"
    if account and account != identity.account_id:
        raise InvalidRequest(f"{role} is account {identity.account_id}, not {account}. Nothing was requested.")
    where = GLOBAL_REGION if listing.scope == "global" else region or settings.home_region
    if view:
        where = view.split(":")[3]
    response = resource.client.fetch(
        Request(
            profile=identity.profile,
            account_id=identity.account_id,
            region=where,
            listing=listing,
            listing_role=role,
            parameters={"ViewArn": view} if view else _parameters(listing, parameter, settings.reference),
            suffix=parameter,
            verbatim=True,
        ),
        meter=paid_requests,
    )
    shown = {
        "request": {
            "call": listing.call,
            "region": where,
            "parameters": {**listing.parameters, **response.request.parameters},
        },
        "identity": {
            "role": role,
            "profile": identity.profile,
            "account_id": response.caller_account_id,
            "arn": response.caller_arn,
        },
        "outcome": response.outcome,
        "records": response.record_count,
        "pages": response.page_count,
        "requests": response.request_count,
        "throttled": response.throttle_count,
        "error_code": response.error_code,
        "error_message": response.error_message,
        "requested_at": response.started_at.isoformat(),
        # The name of the release before, for one version.
        "asked_at": response.started_at.isoformat(),
        "response": response.raw_response,
    }
    resource.close()
    return shown, response.outcome == "found"


def _parameters(listing: Listing, parameter: str, own: "Path | None") -> dict[str, Any]:
    """The parameters that the catalogue sends for a cell; a bill listing without a month gets the current one.

    Args:
        own: the folder of the organisation's own reference files (`Settings.reference`).
    """
    from pipelines.collection import cost_slices
    from pipelines.collection.seeds import every_slice, services_of_listings

    if listing.name == METRIC:
        source, _, resource = parameter.partition(":")
        if source not in MEASURED or not resource:
            raise InvalidRequest(
                f"{METRIC} is requested for a resource. Name one with --parameter LISTING:ID, such as "
                f"{next(iter(MEASURED))}:i-0123456789abcdef0. Nothing was requested."
            )
        return next(iter(metrics.MetricRequests([(source, resource)], datetime.now(UTC).date())))
    if listing.name == COST_RESOURCE:
        return cost_slices.resource_parameters(parameter or services_of_listings()[0], datetime.now(UTC).date())
    if listing.name not in COST_BY_MONTH:
        each = listing.each
        return {each.parameter: parameter} if each is not None and each.parameter else {}
    today = datetime.now(UTC).date()
    if listing.name == COST_MONTHLY:
        return cost_slices.parameters(cost_slices.TOTAL, cost_slices.whole_history(today, cost_slices.MAX_MONTHS))
    months = {month.name: month for month in cost_slices.months_to_fetch(today, cost_slices.MAX_MONTHS, ())}
    newest, *_, oldest = months
    every = (*every_slice(own), cost_slices.ACCOUNT)
    bill_slices = {bill_slice.name: bill_slice for bill_slice in every if bill_slice.listing == listing.name}
    if not bill_slices:
        raise InvalidRequest(
            f"{listing.name} is requested by tag key, and tag_key.csv in CMDB_REFERENCE names none for it. Nothing was "
            "requested."
        )
    # A tag key may contain colons.
    slice_name, _, month_name = parameter.rpartition(":") if parameter not in bill_slices else (parameter, "", "")
    month = months.get(month_name or newest)
    bill_slice = bill_slices.get(slice_name or next(iter(bill_slices)))
    if month is None or bill_slice is None:
        raise InvalidRequest(
            f"The bill has no {parameter!r}. Write {listing.name}:SLICE:MONTH with a slice of {', '.join(bill_slices)} "
            f"and a month from {oldest} to {newest}. Nothing was requested."
        )
    return cost_slices.parameters(bill_slice, month)


def _workload_identity(resource: "Workload", account: str) -> Identity:
    found = [identity for identity in resource.reached().values() if isinstance(identity, Identity)]
    for identity in found:
        if identity.account_id == account:
            return identity
    reached = ", ".join(sorted(identity.account_id for identity in found)) or "none"
    raise InvalidRequest(
        f"No workload profile reaches account {account or '(none named)'}. Name one with --account; reached are: "
        f"{reached}."
    )
