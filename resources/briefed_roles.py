"""The roles as a worker has them that collects a part for a coordinator.

The coordinator has verified that the central accounts differ, and names them. A worker never uses a central profile. It
uses workload profiles alone, and the client compares the identity of each one with the account of every request.
"""

from datetime import datetime
from typing import ClassVar

from resources.aws.client import AwsClient
from resources.aws.messages import Identity
from resources.contract import Role
from resources.identity_rules import CENTRAL_ROLES, Caller
from resources.roles import AwsRole, IdentityRefused, Workload


class BriefedRole(AwsRole):
    """A central role of which a worker knows the identity, and nothing else.

    Attributes:
        named: the role.
        account_id, arn, profile: its verified identity.
        checked_at: when the coordinator verified it, ISO 8601, UTC.
    """

    role: ClassVar[Role] = "management"

    account_id: str = ""
    arn: str = ""
    named: str = ""
    profile: str = ""
    checked_at: str = ""

    @classmethod
    def of(cls, identity: Identity, like: AwsRole) -> "BriefedRole":
        """The role of a verified identity.

        Args:
            identity: as the coordinator has verified it.
            like: a role of the worker, whose settings it has.
        """
        return cls(
            central=like.central,
            database=like.database,
            account_id=identity.account_id,
            arn=identity.arn,
            named=identity.role,
            profile=identity.profile,
            checked_at=identity.checked_at.isoformat(),
        )

    @property
    def client(self) -> AwsClient:
        """None: a worker sends nothing through a central role.

        Raises:
            IdentityRefused: always.
        """
        raise IdentityRefused(f"{self.named} may not be used by a worker. Nothing was sent.")

    def verify(self) -> Identity | None:
        """The identity that the coordinator has verified."""
        role = next(role for role in CENTRAL_ROLES if role == self.named)
        return Identity(role, self.profile, self.account_id, self.arn, datetime.fromisoformat(self.checked_at))


class BriefedWorkload(Workload):
    """The workload role of a worker: its profiles are those of the briefing."""

    @property
    def client(self) -> AwsClient:
        """The AWS client, which stays open from part to part."""
        return self._client(self.role)

    def verify(self) -> Identity | None:
        """None, as for every workload role; the central accounts were verified by the coordinator."""
        return None

    def prove(self, profiles: list[str]) -> list[Caller]:
        """The identity of each of these profiles by STS, or the error of the profile."""
        return self.callers_of(self.client.identify_all(profiles))
