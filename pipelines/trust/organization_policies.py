"""Which requests the organisation's policies deny, from AWS's refusal text or from the service control policies.

Pure functions over texts and documents; `previous` reads the stored policies, `denials` applies them. Every function
errs on one side: what cannot be decided is no evidence, and a refusal without evidence stays a refusal.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from resources.aws.errors import EXPIRED_CODES
from resources.aws.listing import GLOBAL_REGION
from resources.aws.messages import OPTIONAL_GRANT, Response

SCP = "SERVICE_CONTROL_POLICY"

SERVICE_CONTROL, RESOURCE_CONTROL = "service control policy", "resource control policy"

BY_WORDS, BY_DOCUMENT = "AWS names it in its refusal", "the policy's document, as the management role listed it"

BARE_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "AuthorizationError",
        "Forbidden",
        "NotAuthorized",
        "NotAuthorizedException",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
"""Error codes of a refusal that a service control policy may cause without being named in the message."""

_WORDS = re.compile(
    r"(?:explicit deny in a|because no) (service|resource) control policy\b(?::\s*arn:\S*/(p-[0-9A-Za-z_]+))?", re.I
)
_ANOTHER_POLICY = re.compile(r"explicit deny in an? \w|because no [\w -]+ allows", re.I)
_OF_STS = re.compile(r"not authorized to perform: sts:", re.I)
_ASSUMED_ROLE = re.compile(r"(arn:[\w-]+:)sts(::\d+:)assumed-role/([^/]+)/.*")
_RESERVED_ROLES = {"aws-reserved": "AWSReservedSSO_", "aws-service-role": "AWSServiceRoleFor"}
"""Paths of roles that AWS reserves, and the prefix of the names of the roles below each path."""


@dataclass(frozen=True, slots=True)
class PolicyDenial:
    """A policy of the organisation that denies a request.

    Attributes:
        policy_id: the policy's id; empty where AWS reports that a policy denied the request but not which.
        known_by: `BY_WORDS` or `BY_DOCUMENT`.
        document: `StoredPolicies.fingerprint` of the policy.
    """

    kind: str
    policy_id: str
    policy_name: str
    known_by: str
    document: str = ""

    def as_evidence(self) -> dict[str, str]:
        """The evidence that is kept with the skipped cell."""
        named = {
            "policy_id": self.policy_id,
            "policy_name": self.policy_name,
            "policy_document": self.document,
        }
        return {"policy_type": self.kind, "policy_known_by": self.known_by} | {k: v for k, v in named.items() if v}


@dataclass(frozen=True, slots=True)
class DeniedRequest:
    """The properties of a request that a service control policy evaluates.

    Attributes:
        action: the IAM action, such as `ec2:DescribeInstances`.
        region: the region that the request is sent to, also for a service without regions.
        caller_arn: the caller's ARN as STS reports it.
    """

    account_id: str
    action: str
    region: str
    caller_arn: str


def is_refusal(response: Response) -> bool:
    """Whether AWS refused the request itself; a refusal of the credentials or of the assumed role does not count."""
    refused = response.outcome == "denied" or response.skip_reason == OPTIONAL_GRANT
    return (
        refused
        and response.caller_account_id is not None
        and response.error_code not in EXPIRED_CODES
        and _OF_STS.search(response.error_message or "") is None
    )


def named_in(message: str | None) -> PolicyDenial | None:
    """The service or resource control policy that a refusal names; None where it names none.

    A permissions boundary, a session policy, a VPC endpoint policy and the role's own policy do not belong to the
    organisation and give None.
    """
    words = _WORDS.search(message or "")
    if words is None:
        return None
    kind = SERVICE_CONTROL if words[1].lower() == "service" else RESOURCE_CONTROL
    return PolicyDenial(kind, words[2] or "", "", BY_WORDS)


def is_bare(error_code: str | None, message: str | None) -> bool:
    """Whether a refusal names no policy, so that a stored service control policy may have caused it."""
    return error_code in BARE_CODES and _ANOTHER_POLICY.search(message or "") is None


# ------------------------------------------------------------------------------------------ the documents


@dataclass(frozen=True)
class StoredPolicies:
    """The service control policies that the management role listed, and where they are attached.

    Attributes:
        documents: policy document as JSON text, by policy id.
        names: policy name by policy id.
        attached: ids of the attached policies, by id of the root, OU or account.
        parent_of: id of the parent, by id of the account or OU.
        management_account: id of the management account, which no service control policy binds.
        is_complete: whether every policy's document and attachments are known, so that an absent one does not exist.
    """

    documents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, frozenset[str]] = field(default_factory=dict)
    parent_of: Mapping[str, str] = field(default_factory=dict)
    management_account: str = ""
    is_complete: bool = False

    def named(self, denial: PolicyDenial) -> PolicyDenial:
        """The denial with the policy's name, where the name is known."""
        return replace(
            denial,
            policy_name=self.names.get(denial.policy_id, ""),
            document=self.fingerprint(denial.policy_id),
        )

    def fingerprint(self, policy_id: str) -> str:
        """A short hash of a policy's document, or of the documents of several ids with + between; empty for none."""
        return _digest(tuple(self.documents.get(one, "") for one in policy_id.split("+")))

    def denials(self, request: DeniedRequest) -> Iterator[PolicyDenial]:
        """The policies that certainly deny a request; nothing where that cannot be decided."""
        if not self.management_account or request.account_id == self.management_account:
            return
        for target in self._above(request.account_id):
            attached = sorted(self.attached.get(target, ()))
            statements = {policy: _statements(self.documents.get(policy, "")) for policy in attached}
            for policy, own in statements.items():
                if any(one.effect == "Deny" and one.applies(request) for one in own or ()):
                    yield self._denial(policy)
            # At each level of the tree one policy has to allow the request, so an allow list denies whatever it does
            # not name.
            if self.is_complete and attached and not any(_may_allow(own, request) for own in statements.values()):
                yield PolicyDenial(
                    SERVICE_CONTROL,
                    "+".join(attached),
                    f"nothing at {target} allows it: "
                    + ", ".join(self.names.get(policy, policy) for policy in attached),
                    BY_DOCUMENT,
                    self.fingerprint("+".join(attached)),
                )

    def _denial(self, policy: str) -> PolicyDenial:
        return PolicyDenial(SERVICE_CONTROL, policy, self.names.get(policy, ""), BY_DOCUMENT, self.fingerprint(policy))

    def _above(self, account: str) -> list[str]:
        """The account and its ancestors up to the root; it ends at a cycle, which responses of two runs might form."""
        chain = [account]
        while (above := self.parent_of.get(chain[-1])) is not None and above not in chain:
            chain.append(above)
        return chain


def _may_allow(statements: "Sequence[_Statement] | None", request: DeniedRequest) -> bool:
    return statements is None or any(one.effect == "Allow" and one.applies(request) is not False for one in statements)


@dataclass(frozen=True)
class _Statement:
    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    is_of_everything: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def applies(self, request: DeniedRequest) -> bool | None:
        """Whether the statement applies to a request; None where that cannot be decided."""
        if self.actions:
            matches = any(_matches(pattern.lower(), request.action.lower()) for pattern in self.actions)
        else:
            matches = not any(_matches(pattern.lower(), request.action.lower()) for pattern in self.not_actions)
        if not matches:
            return False
        held = [_holds(operator, key, values, request) for operator, key, values in self.conditions]
        if False in held:
            return False
        return None if None in held or not self.is_of_everything else True


@cache
def _digest(documents: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(documents).encode()).hexdigest()[:16] if any(documents) else ""


@cache
def _statements(document: str) -> tuple[_Statement, ...] | None:
    """The statements of a policy document; None where the text is no policy document."""
    try:
        content = json.loads(document)
        found = content["Statement"]
        return tuple(_statement(one) for one in ([found] if isinstance(found, dict) else found))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _statement(data: Mapping[str, Any]) -> _Statement:
    return _Statement(
        effect=str(data["Effect"]),
        actions=_texts(data.get("Action", ())),
        not_actions=_texts(data.get("NotAction", ())),
        is_of_everything="*" in _texts(data.get("Resource", ())),
        conditions=tuple(
            (operator, key, _texts(values))
            for operator, keys in data.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, [value] if isinstance(value, str | bool | int) else value))


def _holds(operator: str, key: str, values: Sequence[str], request: DeniedRequest) -> bool | None:
    """Whether a condition holds; None for a key, an operator or a value that this module does not know.

    Both known keys are always present with one value, so neither `IfExists` nor a set operator changes the result.
    """
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    is_negated = "Not" in name
    compare = name.replace("Not", "", 1)
    if compare not in ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"):
        return None
    match key.lower():
        case "aws:requestedregion" if compare.startswith("String"):
            found = [_equals(compare, value, request.region) for value in values]
        case "aws:principalarn":
            found = [_is_principal(compare, value, request.caller_arn) for value in values]
        case _:
            return None
    holds = True if True in found else None if None in found else False
    return holds if holds is None or not is_negated else not holds


def _equals(compare: str, wanted: str, value: str) -> bool | None:
    if "${" in wanted:
        return None
    match compare:
        case "StringEquals":
            return wanted == value
        case "StringEqualsIgnoreCase":
            return wanted.lower() == value.lower()
        case "StringLike":
            return _matches(wanted, value)
    # IAM compares an ARN component by component: a wildcard does not match across a colon.
    parts, own = wanted.split(":", 5), value.split(":", 5)
    if len(parts) != len(own):
        return True if wanted == "*" else None
    return all(_matches(part, of) for part, of in zip(parts, own, strict=True))


def _is_principal(compare: str, wanted: str, caller_arn: str) -> bool | None:
    """Whether an ARN pattern names the caller; None where the pattern has a role path, which STS does not report."""
    assumed = _ASSUMED_ROLE.fullmatch(caller_arn)
    if assumed is None:
        return _equals(compare, wanted, caller_arn) if caller_arn else None
    name = assumed[3]
    found = _equals(compare, wanted, f"{assumed[1]}iam{assumed[2]}role/{name}")
    path = wanted.partition(":role/")[2]
    if found is not False or "/" not in path:
        return found
    begins = _RESERVED_ROLES.get(path.partition("/")[0])
    if begins is not None and not name.startswith(begins):
        return False
    return None if _matches(path.rpartition("/")[2], name) else False


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in glob), re.S)


def _matches(glob: str, value: str) -> bool:
    return _pattern(glob).fullmatch(value) is not None


# --------------------------------------------------------------------------------------------- the warning


@dataclass(frozen=True, slots=True)
class PolicySkips:
    """The cells that one policy closes in a run.

    Attributes:
        services: services whose requests are refused, such as `ec2`.
        trusted_before: number of these cells that had a trusted response in an earlier run.
        billed: account and region pairs in which the bill of the last days shows usage.
        accounts: the first accounts with a closed cell; the sentence names them where they are few.
    """

    kind: str
    policy_id: str
    policy_name: str
    services: tuple[str, ...]
    regions: tuple[str, ...]
    account_count: int
    cell_count: int
    trusted_before: int
    billed: tuple[tuple[str, str], ...] = ()
    accounts: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The warning that a run shows once for the policy, instead of once for each cell."""
        kind = self.kind or "control policy"
        name = f" ({self.policy_name})" if self.policy_name else ""
        who = f"{kind[0].upper()}{kind[1:]} {self.policy_id}{name}"
        if not self.policy_id:
            who = f"A {kind} that AWS does not name"
        accounts = f"{self.account_count} account{'s' * (self.account_count != 1)}"
        if self.accounts and len(self.accounts) == self.account_count:
            accounts += f" ({', '.join(self.accounts)})"
        cells = "1 cell is" if self.cell_count == 1 else f"{self.cell_count} cells are"
        keeps = "keeps its" if self.cell_count == 1 else "keep their"
        # A service without regions is closed everywhere: `aws-global` is our word for it, not a region.
        regions = _some(region for region in self.regions if region != GLOBAL_REGION)
        where = f" in {regions}" if regions else ""
        text = (
            f"{who} denies {_some(self.services)}{where} for {accounts}: {cells} skipped and "
            f"{keeps} last rows, marked stale."
        )
        if self.trusted_before:
            text += f" {self.trusted_before} of them had a response before."
        if self.billed:
            places = _some([f"{account} in {region}" for account, region in self.billed])
            text += f" The bill of the last days shows usage in {places}: what runs there is not seen."
        return text


def _some(names: Iterable[str], shown: int = 20) -> str:
    all_names = list(names)
    return ", ".join(all_names[:shown]) + (f" and {len(all_names) - shown} more" if len(all_names) > shown else "")
