"""The type of an AWS listing: its call, roles, empty policy and records, as data.

The entries are in `pipelines/catalogue/`. Only their type is here, so that `resources.aws.client` can fetch a listing
without a dependency on the catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from resources.contract import Role

EmptyPolicy = Literal["impossible", "ordinary", "witnessed"]
"""What an empty response means. `impossible`: there is always at least one record. `ordinary`: an account may well have
none. `witnessed`: the last trusted count or the bill can show that there should be some."""

GLOBAL_REGION = "aws-global"
"""The region of a cell whose service has no regions."""


TRAIL_SOURCES: Mapping[str, str] = MappingProxyType(
    {"cloudwatch": "monitoring", "resourcegroupstaggingapi": "tagging", "s3control": "s3"}
)
"""CloudTrail's event source by botocore's service name, where the two differ."""


PARTITIONS: Mapping[str, str] = MappingProxyType(
    {
        "cn-": "aws-cn",
        "us-gov-": "aws-us-gov",
        "eusc-": "aws-eusc",
        "us-iso-": "aws-iso",
        "us-isob-": "aws-iso-b",
        "eu-isoe-": "aws-iso-e",
        "us-isof-": "aws-iso-f",
    }
)
"""Partition by the beginning of its regions' names; all other regions are in `aws`."""


def partition_of(region: str) -> str:
    """The partition of the ARNs in a region, such as `aws` or `aws-cn`."""
    return next((partition for prefix, partition in PARTITIONS.items() if region.startswith(prefix)), "aws")


@dataclass(frozen=True)
class Each:
    """Fetch a listing once for each record of parent listings, or once for each value of an enum.

    `Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id")` sends one request for
    each parent. A listing that names itself in `of` is fetched down the tree, level by level. Where trusted parents
    have no records, one cell without a parameter is recorded as `skipped`, with the reason `no_parents`.

    Attributes:
        parameter: the request's parameter that names the parent. Empty: one request without a parameter for each
            account and region in which a parent has a record, for a listing that is empty where there is none.
        where: fields of a parent record and the value that each must have; other records are no parents, such as
            automated snapshots, which nobody can share.
        region_field: field of the parent record that names the region of the request; empty where a regional parent's
            own region is used.
        form: template of the parameter where the field is only a part of it: `arn:{partition}:s3:::{value}`.
        in_one_cell: all parents of an account and region are fetched in one cell, one request after the other, where
            one cell per parent would be too many.
        own_errors: with `in_one_cell`, where each parent has one record or a record for each page: codes of errors that
            concern the parent and not the caller. The record of such a parent is its echoed parameters and
            `ErrorCode`. If every parent is refused as `denied`, the cell is refused.
        is_by_parent: where `Listing.every` is more than 1: a cell is due at once if its parents are others than those
            for which it was requested. So it always is where the parents are parameters.
        enum: a shape of the service's botocore model, such as `PolicyType`; one request is sent for each of its values.
        unlisted: with `enum`: an empty response for a value that no record of `of` names is `skipped` with this reason,
            since it is not an empty list.
    """

    parameter: str
    of: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    field: str = ""
    region_field: str = ""
    form: str = "{value}"
    in_one_cell: bool = False
    own_errors: tuple[str, ...] = ()
    is_by_parent: bool = False
    enum: str = ""
    unlisted: str = ""

    def value(self, named: str, region: str) -> str:
        """The request's parameter for a value of the parent's field, in a region."""
        return self.form.format(value=named, partition=partition_of(region))


@dataclass(frozen=True)
class Listing:
    """One AWS listing: the call, the roles that send it, the empty policy, and where its records are.

    Attributes:
        name: name of the cell and of the landing folder, such as `ec2_instance`.
        call: botocore's service name and operation, such as `ec2:DescribeInstances`.
        roles: the roles that fetch the listing. The guard refuses a role whose clause does not cover the call.
        zero: what an empty response means.
        zero_of: overrides of `zero` for single parameters, by the part of the cell's name after the colon.
        records: JMESPath of the records in one page: `Accounts`, or `Reservations[].Instances` for records nested in
            others (one level). A structure or a map is one record; `@` is the page itself.
        required: members that every valid page has. The default is the list or structure at the beginning of `records`.
            A listing must name them if the page is the record, or if its list has no XML element while it is empty.
        carry: fields of the outer record that each inner record receives, such as `OwnerId`.
        key: fields that identify a record in a response, or paths such as `TimePeriod.Start`; echoed and carried fields
            may be among them. Equal records with one key are one record; unequal ones make the cell `failed`.
        no_key: where there is no `key`: why several records with one key are not a fault of the response.
        scope: `regional` listings are fetched in every enabled region, `global` ones once, in the service's home
            region.
        home: with `scope="global"`: the only region in which the service answers, where it is not the home region.
            In another partition the listing is skipped as `not_offered`.
        owner: field of a record that names its account, as 12 digits or within an ARN; None where the records do not
            name their account.
        is_owner_optional: a record without the `owner` field is accepted: AWS added the field later, and may not send
            it everywhere.
        parameters: sent with every request.
        account_parameter: parameter that receives the id of the request's account, such as `AccountId`.
        echo: parameters of the request that are copied into each record, where the response does not name them.
        redact: names of fields with secrets. They are dropped at any depth of every response, before any part of it is
            kept.
        json_text: the records are JSON documents as text.
        errors: field of the response that lists what AWS could not look up (each entry with ErrorCode and Message). A
            response with entries there is a failure.
        cut_at: number of records after which AWS may end a response without a word. A response of exactly so many is
            `failed`; 0 where AWS names no such limit.
        first_page_only: one page is enough, such as to learn whether there is any record at all.
        on_request: name of the setting that enables the listing, since it costs one call per resource or has a place of
            its own; empty for a listing that is always fetched.
        is_supplement: a second source of what another listing tells, or facts of AWS's own beside it. Where it fails,
            its last rows stay and the run goes on, although a central role requests it.
        is_shared: the records are AWS's own, the same for all accounts of a region: of the workload accounts that have
            a parent there, one is requested for each region and parameter. A family of its own, after its parents',
            has such listings.
        is_large: a response does not fit into memory; its requests are sent one at a time.
        each: the parents or the enum for which the listing is fetched once each.
        token: request and response field of the page token, where botocore has no paginator.
        resource_type: AWS's name of the record's type, such as `AWS::EC2::Instance`, where the record is a
            configuration item.
        every: number of nights between two requests of a cell with records, for a listing that changes seldom; 1 where
            every night requests it (`pipelines.collection.cadence`).
        nightly_unless: a listing, a field and a value: where a record of that listing has another value in the cell's
            account and region, every night requests the cell.
        arn_form: where `every` is more than 1 and the records are items: service and type in the record's ARN, such as
            `ec2:key-pair/`, by which the tagging API can name a resource that was not listed yet.
        skip_codes: error codes that mean "not offered here", each with the reason to record; the cell is `skipped`.
            A key `Code: text` holds only for messages that begin with this text, `Code: *text` for those that have it.
    """

    name: str
    call: str
    roles: tuple[Role, ...]
    zero: EmptyPolicy
    records: str
    required: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    no_key: str = ""
    scope: Literal["regional", "global"] = "regional"
    home: str = ""
    owner: str | None = None
    is_owner_optional: bool = False
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    account_parameter: str = ""
    echo: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    json_text: bool = False
    errors: str = ""
    cut_at: int = 0
    first_page_only: bool = False
    on_request: str = ""
    is_supplement: bool = False
    is_shared: bool = False
    is_large: bool = False
    each: Each | None = None
    zero_of: Mapping[str, EmptyPolicy] = field(default_factory=lambda: MappingProxyType({}))
    token: tuple[str, str] | None = None
    resource_type: str = ""
    every: int = 1
    nightly_unless: tuple[str, str, str] | None = None
    arn_form: str = ""
    skip_codes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def must_have(self) -> tuple[str, ...]:
        """The members that every valid page has."""
        return self.required or tuple(name for name in (self.records.partition("[]")[0].split(".")[0],) if name != "@")

    @property
    def needs(self) -> tuple[str, ...]:
        """Other listings whose records decide what is requested of this one."""
        parents = () if self.each is None else self.each.of
        deciding = () if self.nightly_unless is None else self.nightly_unless[:1]
        return tuple(name for name in dict.fromkeys((*parents, *deciding)) if name != self.name)

    @property
    def proves_account(self) -> bool:
        """Whether every record names its account, so that a response of another account is always detected."""
        return self.owner is not None and not self.is_owner_optional

    def empty_policy(self, suffix: str) -> EmptyPolicy:
        """What an empty response means for one parameter; `suffix` is "" where the listing has none."""
        return self.zero_of.get(suffix, self.zero)

    def skip_reason(self, code: str, message: str) -> str | None:
        """The reason that `skip_codes` has for an error of AWS; None where it has none."""
        for known, reason in self.skip_codes.items():
            known_code, _, words = known.partition(": ")
            within = words.removeprefix("*")
            if known_code == code and (within in message if within != words else message.startswith(words)):
                return reason
        return None

    @property
    def service(self) -> str:
        """The service as botocore names it: `ec2`."""
        return self.call.partition(":")[0]

    @property
    def operation(self) -> str:
        """AWS's operation name: `DescribeInstances`."""
        return self.call.partition(":")[2]

    @property
    def trail_name(self) -> tuple[str, str]:
        """CloudTrail's name of the call: event source and event name."""
        source = TRAIL_SOURCES.get(self.service, self.service)
        return (f"{source}.amazonaws.com", self.operation)
