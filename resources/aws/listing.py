"""What one AWS listing is: the question, in data.

The entries stand in `pipelines/catalogue/`; here is only their type, so that `resources.aws.client`
can ask a listing without knowing which ones exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from resources.contract import Role

EmptyPolicy = Literal["impossible", "ordinary", "witnessed"]
"""What an empty answer means: `impossible` (there is always one), `ordinary` (an account may well have
none), `witnessed` (the last trusted count or the bill can say that there should be some)."""

GLOBAL_REGION = "aws-global"
"""The region of a cell whose service has none."""


TRAIL_SOURCES: Mapping[str, str] = MappingProxyType(
    {"cloudwatch": "monitoring", "resourcegroupstaggingapi": "tagging", "s3control": "s3"}
)
"""Services whose events CloudTrail keeps under another name than botocore's."""


def partition_of(region: str) -> str:
    """The partition of ARNs in a region: `aws`, `aws-cn` or `aws-us-gov`."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


@dataclass(frozen=True)
class Each:
    """Ask the listing once for each record of other listings, or once for each value of an enum.

    `Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id")` asks once a
    parent; a listing that names itself in `of` is asked down the tree, level by level. Parents that are trusted and
    have no records leave nothing to ask: one cell without a parameter says so, `skipped` as `no_parents`.

    Attributes:
        region_field: field of the parent record that names the region to ask in; empty where a regional parent's own
            region is it.
        form: what the parameter is where the field is only a part of it: `arn:{partition}:s3:::{value}`.
        in_one_cell: all parents of an account and region are asked in one cell, one request after the other, where a
            cell a parent would be too many.
        own_errors: with `in_one_cell` and the page as record: codes of errors that are about the parent and not about
            who asks. Its record is then what is echoed and `ErrorCode`. All refused, it is the cell that is.
        enum: a shape of the service's botocore model, such as `PolicyType`: asked once for each of its values.
        unlisted: with `enum`, an empty answer for a value that no record of `of` names is `skipped` with this reason:
            it is no list without entries.
    """

    parameter: str
    of: tuple[str, ...] = ()
    field: str = ""
    region_field: str = ""
    form: str = "{value}"
    in_one_cell: bool = False
    own_errors: tuple[str, ...] = ()
    enum: str = ""
    unlisted: str = ""

    def value(self, named: str, region: str) -> str:
        """The parameter for what a parent's field names, where that lies in a region."""
        return self.form.format(value=named, partition=partition_of(region))


@dataclass(frozen=True)
class Listing:
    """One AWS listing: the call, who asks it, what a zero means, where its records stand.

    Attributes:
        name: the cell's and the landing folder's name, such as `ec2_instance`.
        call: botocore's service name and operation, such as `ec2:DescribeInstances`.
        roles: the roles that ask it. The guard refuses a role whose clause does not cover the call.
        zero: what an empty answer means.
        zero_of: what it means for single parameters instead, by the part of the cell's name behind the colon.
        records: JMESPath of the records in one page: `Accounts`, or `Reservations[].Instances` for records
            that stand inside others (one level). A structure or a map is one record; `@` is the page itself.
        required: members that every page has, without which it is no answer; where none is named, it is the list or
            structure at the beginning of `records`. A page as record, and a list that XML has no element for while
            it is empty, must name theirs.
        carry: fields of the outer record that each inner record is given, such as `OwnerId`.
        key: what tells the records of an answer apart: fields, or paths such as `TimePeriod.Start`, echoed and carried
            ones included. Equal records with one key are one record; unequal ones make the cell `failed`.
        no_key: why records with one key are no fault of the answer, where there is no `key`.
        scope: `regional` is asked in every enabled region; `global` once, in the service's home region.
        owner: field of a record that names its account, as 12 digits or within an ARN; None where the
            records do not say.
        is_owner_optional: a record without that field is taken: AWS added it later, and may not send it everywhere.
        parameters: sent with every request.
        account_parameter: parameter that is given the id of the account that is asked, such as `AccountId`.
        echo: parameters of the request that each record is given, where the answer does not say what it is about.
        redact: fields that are dropped from every answer, wherever in it they stand, before anything is kept of it:
            they hold secrets.
        json_text: the records are JSON documents as text.
        errors: field of the answer that lists what AWS could not look up (each with ErrorCode and Message): an answer
            with entries there is no answer.
        first_page_only: one page answers the question, such as whether there is anything at all.
        on_request: name of the setting that must ask for it, since it costs a call a resource; empty: always asked.
        is_large: an answer does not fit into memory; asked one question at a time.
        each: asked once for each record of other listings.
        token: request and response field of the page token, where botocore knows no paginator.
        resource_type: AWS's name of the type of what it lists, such as `AWS::EC2::Instance`, where that is a
            configuration item.
        skip_codes: error codes that mean "not offered here", with the reason to record: the cell is `skipped`.
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
    owner: str | None = None
    is_owner_optional: bool = False
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    account_parameter: str = ""
    echo: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    json_text: bool = False
    errors: str = ""
    first_page_only: bool = False
    on_request: str = ""
    is_large: bool = False
    each: Each | None = None
    zero_of: Mapping[str, EmptyPolicy] = field(default_factory=lambda: MappingProxyType({}))
    token: tuple[str, str] | None = None
    resource_type: str = ""
    skip_codes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def must_have(self) -> tuple[str, ...]:
        """The members without which a page is no answer."""
        return self.required or tuple(name for name in (self.records.partition("[]")[0].split(".")[0],) if name != "@")

    @property
    def proves_account(self) -> bool:
        """Whether every record names its account, so that an answer of another account is found out by itself."""
        return self.owner is not None and not self.is_owner_optional

    def empty_policy(self, suffix: str) -> EmptyPolicy:
        """What an empty answer means for one parameter; "" where the listing has none."""
        return self.zero_of.get(suffix, self.zero)

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
        """How CloudTrail names the call: event source and event name."""
        source = TRAIL_SOURCES.get(self.service, self.service)
        return (f"{source}.amazonaws.com", self.operation)
