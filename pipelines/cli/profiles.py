"""`cmdb profiles`: the AWS profile and the IAM role that an account needs, so that it can be collected.

The commands print text to review and use; nothing here calls AWS or writes a file.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import Command, Misused, demo_option, json_option, plainly, print_json, say, settings_of
from pipelines.cli.simulation import simulates_demo
from resources.contract import policy

if TYPE_CHECKING:
    from resources.store.store import Store

ROLE_NAME = "aws-org-cmdb-reader"
"""Default name of the IAM role in each workload account."""

CREDENTIAL_SOURCES = ("Ec2InstanceMetadata", "EcsContainer", "Environment")
"""The values of `credential_source` in the AWS config file. A profile that has nothing else is no `source_profile`."""


@dataclass(frozen=True)
class Unreached:
    """An active account of the organisation without a workload profile."""

    account_id: str
    name: str
    ou_path: str


@click.command(cls=Command)
@click.option("--template", is_flag=True, help="Print the role itself: a CloudFormation template for a StackSet.")
@click.option("--role-name", default=ROLE_NAME, show_default=True, help="What the role is called.")
@click.option(
    "--trusted", default="", metavar="ARN", help="Who may assume the role: the identity that starts the runs."
)
@click.option("--optional", is_flag=True, help="With the contract's optional grants.")
@click.option(
    "--central",
    "with_central",
    is_flag=True,
    help="Print the three central accounts too. A StackSet creates no role in the management account.",
)
@click.option("--source-profile", default="", help="The profile that assumes the roles; the operations profile.")
@click.option(
    "--credential-source",
    type=click.Choice(CREDENTIAL_SOURCES),
    default=None,
    help="Assume the roles from the identity of this machine instead, such as that of an EC2 instance.",
)
@click.option("--sso-session", default="", metavar="NAME", help="Sign in with this session instead, for people.")
@demo_option
@json_option
@plainly
@simulates_demo
def profiles(
    template: bool,
    role_name: str,
    trusted: str,
    optional: bool,
    with_central: bool,
    source_profile: str,
    credential_source: str | None,
    sso_session: str,
    demo: bool,
    as_json: bool,
) -> None:
    """Print the missing AWS config stanzas: those of the organisation's accounts without a profile.

    Example: cmdb profiles >> ~/.aws/config
    """
    settings = settings_of(demo=demo)
    if template:
        if not trusted:
            raise Misused(
                "A role needs somebody who may assume it: name the identity that starts the runs with --trusted, "
                "such as arn:aws:iam::111122223333:role/nightly. Nothing was printed."
            )
        say(reader_template(trusted, role_name=role_name, optional=optional))
        return
    from resources.aws.profiles import AwsConfig
    from resources.store.store import Store

    accounts = unreached(Store(settings.database), with_central=with_central)
    if as_json:
        print_json(as_rows(accounts))
        return
    source_profile = source_profile or settings.operations_profile
    present = AwsConfig.now().profiles
    profile_of = {account_of(own): name for name, own in present.items() if settings.is_workload_profile(name)}
    named = [account.account_id for account in accounts if account.account_id in profile_of]
    new = [account for account in accounts if account.account_id not in named]
    if new and not source_profile and not sso_session and not credential_source:
        raise Misused(
            "A stanza needs somebody who assumes the role: set AWS_OPERATIONS_PROFILE, or name --source-profile, "
            "--credential-source or --sso-session. Nothing was printed."
        )
    for account_id in named:
        say(f"# {account_id}: profile {_one_line(profile_of[account_id])} is there, and the last run did not reach it.")
    if new:
        tenant = settings.management_profile.removesuffix("Management")
        say(
            stanzas(
                new,
                prefix=f"{tenant}-" if tenant and tenant != settings.management_profile else "",
                region=settings.home_region,
                role_name=role_name,
                source_profile=source_profile,
                credential_source=credential_source or "",
                sso_session=sso_session,
                taken=present,
            )
        )
    say(f"{len(accounts)} active account(s) without a profile.", err=True)


def unreached(store: "Store", *, with_central: bool = False) -> list[Unreached]:
    """The accounts of the published dataset that have no profile, by their place in the tree.

    Args:
        with_central: whether the central accounts are among them; the central roles reach those in any case, and no
            check misses a workload profile there.
    """
    with store.published_current() as connection:
        rows = connection.execute(
            """
            select account_id, coalesce(account_name, ''), coalesce(ou_path, '') from org.account
            where
                state = 'ACTIVE' and not has_profile
                and ($with_central or account_id not in (
                    select caller_account_id from audit.caller_identity
                    where
                        role <> 'workload' and caller_account_id is not null
                        and run_id = (select run_id from audit.run order by started_at desc limit 1)
                ))
            order by ou_path, account_name, account_id
            """,
            {"with_central": with_central},
        ).fetchall()
    return [Unreached(*row) for row in rows]


def account_of(profile: Mapping[str, str]) -> str:
    """The account that the settings of a profile name; empty where they name none."""
    found = re.search(r":iam::([0-9]{12}):", profile.get("role_arn", ""))
    return found[1] if found else profile.get("sso_account_id", "")


def stanzas(
    accounts: Sequence[Unreached],
    *,
    prefix: str,
    region: str,
    role_name: str = ROLE_NAME,
    source_profile: str = "",
    credential_source: str = "",
    sso_session: str = "",
    taken: Collection[str] = (),
) -> str:
    """Stanzas for the AWS config file, one for each account.

    Args:
        prefix: prefix of the profile names, so that `CMDB_WORKLOAD_PROFILES` can match them.
        role_name: name of the IAM role in each account.
        source_profile: the profile that assumes the role of each account.
        credential_source: where this machine has the identity that assumes it, in place of a profile.
        sso_session: the session to sign in with instead, for people.
        taken: the names of the profiles that are there.
    """
    from resources.aws.listing import partition_of

    written: list[str] = []
    names = set(taken)
    for account in accounts:
        name = _profile_name(prefix, account, names)
        lines = [f"# {_one_line(account.name)}, {_one_line(account.ou_path) or 'place unknown'}", f"[profile {name}]"]
        if sso_session:
            lines += [
                f"sso_session = {sso_session}",
                f"sso_account_id = {account.account_id}",
                f"sso_role_name = {role_name}",
            ]
        else:
            lines += [
                f"role_arn = arn:{partition_of(region)}:iam::{account.account_id}:role/{role_name}",
                f"credential_source = {credential_source}"
                if credential_source
                else f"source_profile = {source_profile}",
                "role_session_name = aws-org-cmdb",
            ]
        written.append("\n".join([*lines, f"region = {region}"]))
    return "\n\n".join(written)


def _profile_name(prefix: str, account: Unreached, taken: set[str]) -> str:
    # People type a profile's name into shells and globs match it, so it has only letters, digits and dashes.
    plain = re.sub(r"[^a-z0-9]+", "-", account.name.lower()).strip("-")
    name = f"{prefix}{plain or account.account_id}"
    while name in taken:
        name = f"{name}-{account.account_id}"
    taken.add(name)
    return name


def _one_line(text: str) -> str:
    # An account's owner chooses its name: a line break in the name would add a setting to the config file.
    return " ".join(text.split())


def reader_template(trusted: str, *, role_name: str = ROLE_NAME, optional: bool = False) -> str:
    """A CloudFormation template of the workload role, for a StackSet over the organisation: JSON.

    Args:
        trusted: ARN of the principal that may assume the role, which is the identity of the nightly run.
        optional: whether to include the contract's optional grants.
    """
    granted = policy("workload", optional=optional)
    template: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Read-only role that aws-org-cmdb collects this account through. Generated from the contract.",
        "Parameters": {
            "TrustedPrincipalArn": {
                "Type": "String",
                "Default": trusted,
                "AllowedPattern": r"arn:aws[a-z-]*:iam::\d{12}:(root|role/.+|user/.+)",
                "Description": "Who may assume the role: the identity that starts the runs.",
            },
        },
        "Resources": {
            "Reader": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role_name,
                    "Description": "aws-org-cmdb: List and Read actions of the contract's workload clause.",
                    "MaxSessionDuration": 3600,
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"AWS": {"Ref": "TrustedPrincipalArn"}},
                                "Action": "sts:AssumeRole",
                            }
                        ],
                    },
                    "Policies": [{"PolicyName": "Contract", "PolicyDocument": granted}],
                },
            }
        },
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Reader", "Arn"]}}},
    }
    return json.dumps(template, indent=2)


def as_rows(accounts: Collection[Unreached]) -> list[dict[str, str]]:
    """The accounts as JSON rows for programs."""
    return [
        {"account_id": account.account_id, "account_name": account.name, "ou_path": account.ou_path}
        for account in accounts
    ]
