"""Renders the contract for readers: docs/concepts/contract.md and the table in README.md.

Every permission in them is read from `resources.contract`; here stand only the words around them.
`python -m tools.docs.contract` writes both, `--check` says which of them is stale.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from resources.contract import CONTRACT, EVERY_ROLE, NO_ACTION, RENAMED, ROLES, roles_allowing

ROOT = Path(__file__).resolve().parent.parent.parent
BEGIN = "<!-- contract:begin -->"
END = "<!-- contract:end -->"
PAGE = "docs/concepts/contract.md"
README = "README.md"

_PAGE = """\
# The contract

<!-- Generated from `resources/contract.py` and the words of `tools/docs/contract.py` by `make docs`; do not edit. -->

Four roles send requests to AWS, each through a profile that is named for it, and each may send only what its
clause lists. Separate roles keep a mistake small: who reads the bill cannot list accounts, and no role can write.
Everything listed is an IAM action of access level List or Read, so the pipeline cannot change anything in AWS.
`tests/test_contract_iam.py` proves it against AWS's own list of actions.

## Roles

{roles}

{remarks}

A profile is always named. An unset variable is an error at the start, because boto3 would otherwise quietly
use `AWS_PROFILE`, which is the workload role's.

## Optional grants

The guard lets these pass, and the product works without them. If AWS denies one, the listing is skipped and recorded as
`optional_grant_not_given`. Some cost money: [cost of running](../reference/cost-of-running.md).

{optional}

## The guard

The boundary is IAM: AWS decides what the role behind a profile may do, so give it the policy below and nothing
else. The guard protects against mistakes inside our own process: a listing under the wrong role, a call
that a new version of botocore adds by itself, a change that nobody reviewed.

Every session that the product makes carries the guard, which sees an operation before botocore serialises it.
It looks up the operation's IAM action and raises `ContractViolation` unless the role's clause, its optional
grants or the line "every role" covers it. Then nothing has been sent. The guard belongs to the session: any
client, paginator, waiter or presigned URL made from it is held to the clause, whoever makes it. No setting
turns it off.

It is no sandbox. Code that runs in the process can take the guard off its session, or make a session of its
own from the same profile. Whoever may change the code, or install a package beside it, may send whatever the
role's policy allows.

## Where the action has another name

An operation's IAM action is its signing name and its own name, as in `ec2:DescribeInstances`, with these
exceptions:

{renamed}

"None published" is an operation that botocore knows and AWS's list of actions does not. What guards it is
unknown, so the guard refuses it.

## IAM policies

`cmdb policy ROLE` prints the least-privilege policy document of a role as JSON, `cmdb policy ROLE --optional`
with the optional grants as a statement of their own. Attach it to the role or permission set behind the
profile.

## Workload profiles

- `CMDB_WORKLOAD_PROFILES` names them: names or globs, separated by commas, over the profiles of the AWS
  configuration file. Unset, it is `<tenant>-*` where `AWS_MANAGEMENT_PROFILE` is `<tenant>Management`; with
  any other name there, `AWS_PROFILE` alone.
- A profile's account is the one that STS names, whatever the profile is called.
- Reported by name: an account that no profile reaches, two profiles for one account, a profile for an account
  outside the organisation or for one of the three central accounts, a suspended account. None of these stops
  a run; an account that several profiles reach is collected once.

## What comes of it

Before anything else a run checks whom the profiles reach: the [pre-flight](trust.md#pre-flight). Every request ends
in an [outcome](trust.md#outcomes), and an empty response needs [evidence](trust.md#when-nothing-comes-back).
"""


def contract_page() -> str:
    """docs/concepts/contract.md, whole."""
    return _PAGE.format(
        roles=_roles_table(),
        remarks="\n".join(f"- {clause.remark}" for clause in CONTRACT.values() if clause.remark),
        optional=_table(
            ("role", "optional grants"),
            ((f"`{role}`", _code(CONTRACT[role].optional)) for role in ROLES if CONTRACT[role].optional),
        ),
        renamed=_renamed_table(),
    )


def readme_table() -> str:
    """The table between the two markers in README.md."""
    return _roles_table()


def replace_between(text: str, begin: str, end: str, body: str) -> str:
    """The text with the body on lines of its own between two markers, which stay.

    Raises:
        ValueError: a marker is missing or stands there twice, or the end comes before the beginning.
    """
    for marker in (begin, end):
        if text.count(marker) != 1:
            raise ValueError(f"The text must contain {marker} once; it is there {text.count(marker)} times.")
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{end} comes before {begin}.")
    return f"{before}{begin}\n{body}\n{end}{after}"


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the page and the README's table, or with `--check` compare them.

    Returns:
        1 where a file is stale, or README.md has no place for the table; else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.docs.contract", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    check = parser.parse_args(arguments).check
    texts, problems = {PAGE: contract_page()}, []
    try:
        readme = (root / README).read_text(encoding="utf-8")
        texts[README] = replace_between(readme, BEGIN, END, readme_table())
    except FileNotFoundError:
        problems.append(f"{README} does not exist, so its table was left out.")
    except ValueError as error:
        problems.append(f"{README}: {error}")
    for name, text in texts.items():
        if _has(root / name, text):
            continue
        if check:
            problems.append(f"{name} is stale: run `python -m tools.docs.contract`.")
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
            print(f"{name} written.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _roles_table() -> str:
    rows = [
        (f"`{role}`", f"`{clause.profile_env}`", clause.account, _code(clause.allow))
        for role, clause in CONTRACT.items()
    ]
    rows.append(("every role", "", "", _code(EVERY_ROLE)))
    return _table(("role", "profile named by", "account", "may send"), rows)


def _renamed_table() -> str:
    return _table(
        ("operation", "IAM action", "sent by"),
        (
            (_code([call]), _code([action]) if action != NO_ACTION else "none published", _senders(action))
            for call, action in RENAMED.items()
        ),
    )


def _senders(action: str) -> str:
    if action.endswith("*"):
        return "as the action is granted"
    return ", ".join(roles_allowing(action)) or "nobody"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
