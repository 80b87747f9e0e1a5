"""Renders the contract for readers: docs/contract.md and the table in README.md.

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
PAGE = "docs/contract.md"
README = "README.md"

_PAGE = """\
# The contract

<!-- Written by `python -m tools.docs.contract` from resources/contract.py. Edit those, not this page. -->

Four roles ask AWS, each through a profile that is named for it, and each may send only what its clause
lists. Everything listed is an IAM action of access level List or Read, so the pipeline cannot change anything
in AWS; `tests/test_contract_iam.py` proves it against AWS's own list of actions.

## Roles

{roles}

{remarks}

A profile is always named. An unset variable is an error at the start, because boto3 would otherwise quietly
use `AWS_PROFILE`, which is the workload role's.

## Optional grants

The guard lets these pass and the pipeline works without them: what AWS refuses of them is skipped, and said.

{optional}

## The guard

The wall is IAM: what the role behind a profile may do, AWS decides, so give it the policy below and nothing
else. The guard is a handrail inside our own process, against mistakes: a listing under the wrong role, a call
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

## Pre-flight

Five facts are checked before anything else is asked, and each of them blocks. A fact that could not be
evaluated says so.

- `every_role_answers`: each profile exists, has credentials that work, and reaches AWS. Where one does not,
  its sentence names the cure.
- `management_is_the_organisations_master`: the management profile's account is the one that the organisation
  names as its master.
- `operations_is_the_expected_account`, `billing_is_the_expected_account`: equal to `CMDB_OPERATIONS_ACCOUNT`
  and `CMDB_BILLING_ACCOUNT`; where those are unset, at least members of the organisation.
- `accounts_are_distinct`: the three accounts differ.

Where the payer is the management account, declare it: `CMDB_SHARED_ACCOUNTS=management+billing` (several
pairs are separated by commas). A declared pair is shown as a warning. An undeclared pair fails, and so does a
declaration that is no longer true.

The facts hold for every way to start work, not for whole runs alone: each role verifies itself before its
first call, and each gated asset reads the recorded verdict again, which may be 60 minutes old to collect and
26 hours old to build models.

## Outcomes

Every question is a cell: a run, a role, an account, a region and a listing. It ends in one of these:

| outcome | what happened | trusted |
| --- | --- | --- |
| `found` | every page was read, and there was at least one record | yes |
| `empty_verified` | nothing there, and the evidence below bears it out | yes |
| `empty_unconfirmed` | nothing there, and CloudTrail has not recorded the call yet | no, nor counted |
| `empty_suspect` | nothing there, and evidence speaks against it | no |
| `denied` | AWS refused the action | no |
| `wrong_account` | the answer is from another account than the one asked about, or an answer beside it was | no |
| `failed` | it could not be read to its end (throttled, timed out), or lists one record in two versions | no |
| `skipped` | not asked, for a reason that is recorded | no, nor counted against the run |

A cell that is not trusted changes nothing: the rows that it last gave stay, marked with the time when they
were true.

A cell is `skipped` for one of these reasons, which `audit.coverage.skip_reason` names:

- AWS has nothing there to ask: the region is not enabled, the service is not offered in it, the policy type is not
  enabled, what the question is asked of has no records.
- Nobody is there to be asked: the account is suspended, or no profile reaches it.
- Whoever runs this decided so: an optional grant is not given, `CMDB_REGIONS` leaves the region out
  (`region_not_selected`: one cell an account and listing names all its regions), a limit of requests was reached.
- **The organisation decided so** (`denied_by_policy`): a service or resource control policy denies the request,
  whatever the role is granted. It blocks nothing, in any role and service, also where all cells of a listing are so,
  and does not count against `CMDB_UNTRUSTED_TOLERANCE`. Evidence is AWS's own words ("with an explicit deny in a
  service control policy", "because no service control policy allows"), or, where a refusal has no words, a service
  control policy that the management role listed, that reaches the account through its OUs and that denies the action
  in this region without doubt. A condition that is not about the region or the caller's ARN is undecided and no
  evidence; neither is a policy that denies what AWS has just answered in the account. Each policy is named once a run,
  with the usage that the bill shows there beside it.

A refusal without that evidence stays `denied`: it is the role that misses a permission. So does one by a permissions
boundary, a session policy, a VPC endpoint policy or the role's own policies, and everything that the management
account is refused, which no such policy binds.

## When nothing comes back

A zero is trusted (`empty_verified`) when all of this supports it:

1. STS confirms that the caller is the account that the cell is about.
2. Every page was read. A page without records is not the last one if it carries a token.
3. CloudTrail has recorded this very call, by its request id, and records no error with it.
4. The answer is kept word for word, with its request id.
5. The listing may be empty at all. An organisation always has a root and accounts, and an account has
   regions: a zero there is never trusted. Where the last trusted count or the bill says that there should be
   some, the cell is asked again in the same run; against the bill it stays suspect for one night more.

What is known when:

- At the end of the step CloudTrail is looked up once. Its events arrive five to fifteen minutes after a call, now
  and then later, so most zeros are `empty_unconfirmed` then.
- Half an hour after the run the job `confirm` (or `cmdb confirm`) looks them up again: `empty_verified`, or
  `empty_suspect` where the event has an error.
- At the beginning of every later run what still waits is looked up again, for up to 89 days.
- Two nights later CloudTrail may show other calls of the same callers, and has never shown one of this kind anywhere.
  Then it does not record such calls: their zeros are `empty_verified` without the third point, `audit.trail_call`
  has the call, and a warning says so once.

An `empty_unconfirmed` zero takes nothing away: the rows that its cell last gave stay, marked stale, nothing is retired,
and nothing is refused because of it. `audit.coverage` counts those that wait, the summary of a night says how many, and
the rule `zeros_are_confirmed` warns once some have waited for more than a night.

What an outcome does:

- `empty_suspect` always blocks what reads it.
- `wrong_account`, `denied` and `failed` of a central role block what reads them.
- The same three of a workload account freeze that cell and warn, up to `CMDB_UNTRUSTED_TOLERANCE` of the cells asked
  (0.05 unless set, 0.25 at most); beyond that they block. So does a zero that CloudTrail can never confirm, because AWS
  refuses the look-up there.
- Any other `empty_unconfirmed` freezes its cell, and counts for nothing.

`cmdb ask ROLE LISTING --verbose` puts a question again and shows the whole answer.
`cmdb accept ACCOUNT REGION LISTING --reason "…"` accepts a zero by name, suspect or not confirmed, until something is
found there again. Where CloudTrail cannot be granted, `CMDB_ZERO_EVIDENCE=identity` does without the third point, and
every such zero says so.
"""


def contract_page() -> str:
    """docs/contract.md, whole."""
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
