"""A few resources of services that no listing shows, and who knows of each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.world import EPOCH, Account, World


@dataclass(frozen=True)
class Other:
    """A resource of another service.

    Attributes:
        region: `aws-global` where its service has none.
        known_by: those who show it, in the order in which the product believes them.
    """

    arn: str
    resource_type: str
    resource_id: str
    account_id: str
    region: str
    tags: dict[str, str]
    known_by: tuple[str, ...]

    @property
    def is_told_tags(self) -> bool:
        """Whether one of those who show it says which tags it has; Resource Explorer leaves out what has none."""
        return bool({"config", "tagging"} & {*self.known_by}) or ("explorer" in self.known_by and bool(self.tags))


class Others:
    """The resources, and the truth about them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def resources(self) -> Iterator[Other]:
        """All of them: in the first region of the first accounts and of the hub."""
        world, region = self._world, self._world.regions[0]
        # By what no later night changes: what happens to an account happens to nobody's resources.
        workloads = [account for account in world.accounts.values() if account.kind == "workload" and account.profile]
        for account, owned in zip(workloads, (_of_first, _of_second), strict=False):
            if account.left_on is None:
                yield from owned(account, region)
        if world.operations in world.accounts:
            yield from _of_hub(world.operations, region)

    def known_by(self, who: str) -> Iterator[Other]:
        """Those that one of `config`, `explorer`, `tagging` and `group` shows."""
        return (other for other in self.resources() if who in other.known_by)

    def truth(self) -> dict[str, Any]:
        """All of them with who shows them, as JSON data; their tags are null where nobody says which they are."""
        return {
            "other_resources": [
                {
                    "arn": other.arn,
                    "known_type": other.resource_type,
                    "resource_id": other.resource_id,
                    "account_id": other.account_id,
                    "region": other.region,
                    "tags": other.tags if other.is_told_tags else None,
                    "known_by": [*other.known_by],
                    **({"created_at": EPOCH.isoformat()} if "config" in other.known_by else {}),
                }
                for other in self.resources()
            ]
        }


def _of_first(account: Account, region: str) -> Iterator[Other]:
    where = (account.account_id, region)
    stream = _arn("kinesis", region, account.account_id, "stream/orders")
    tags = {"Name": "orders", "bc:business-service": account.application}
    yield Other(stream, "AWS::Kinesis::Stream", "orders", *where, tags, ("config", "explorer"))
    queue = _arn("sqs", region, account.account_id, "orders-dead-letters")
    yield Other(queue, "AWS::SQS::Queue", "orders-dead-letters", *where, {}, ("explorer",))


def _of_second(account: Account, region: str) -> Iterator[Other]:
    name = "database-password-Ab1Cd2"
    secret = _arn("secretsmanager", region, account.account_id, f"secret:{name}")
    tags = {"Name": "password of the database", "bc:business-service": account.application}
    where = (account.account_id, region)
    yield Other(secret, "AWS::SecretsManager::Secret", name, *where, tags, ("explorer",))
    role = _arn("iam", "", account.account_id, "role/deploy")
    yield Other(role, "AWS::IAM::Role", "deploy", account.account_id, "aws-global", {}, ("explorer",))


def _of_hub(account_id: str, region: str) -> Iterator[Other]:
    topic = _arn("sns", region, account_id, "alarms")
    tags = {"Name": "alarms", "bc:business-service": "payments"}
    yield Other(topic, "AWS::SNS::Topic", "alarms", account_id, region, tags, ("tagging",))
    cluster = _arn("ecs", region, account_id, "cluster/platform")
    yield Other(cluster, "AWS::ECS::Cluster", "platform", account_id, region, {}, ("group",))


def _arn(service: str, region: str, account_id: str, rest: str) -> str:
    return f"arn:aws:{service}:{region}:{account_id}:{rest}"
