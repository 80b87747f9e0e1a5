"""The buckets of the organisation, whose names are the whole world's and whose regions are their own.

Pure data, made when first asked for, and the answers drawn from it: moto cuts ListBuckets without a token, and
knows no tags of buckets by s3control.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.network import Network
from simulator.pages import Handler, Output, Settings, key_writer
from simulator.wire import AwsError, Call, denied
from simulator.world import EPOCH, OWNERS, SPARSE, TAG_HEAVY, Account, World, WorldError, digest


@dataclass
class Bucket:
    """A bucket. `is_locked`: its policy keeps everybody out but those who work with it."""

    name: str
    account_id: str
    region: str
    created_at: dt.datetime
    tags: dict[str, str] = field(default_factory=dict)
    was_tagged: bool = False
    objects: int = 1
    is_locked: bool = False

    @property
    def arn(self) -> str:
        """The ARN, which names no account and no region."""
        return f"arn:aws:s3:::{self.name}"


class Buckets:
    """The buckets of one organisation, S3's answers about them, and their truth."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._buckets: dict[str, list[Bucket]] = {}
        self._numbers = world.numbers
        workloads = [account.account_id for account in world.accounts.values() if account.kind == "workload"]
        self._first = workloads[0] if workloads else ""
        world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("s3", "ListBuckets"): self._list_buckets,
            ("s3", "ListObjectsV2"): self._list_objects,
            ("s3control", "ListTagsForResource"): self._list_tags,
        }

    # ------------------------------------------------------------------ data

    def of(self, account_id: str) -> list[Bucket]:
        """The buckets of an account, by name."""
        if not self._world.uses(account_id, "s3"):
            return []
        if account_id not in self._buckets:
            account = self._world.accounts.get(account_id)
            made = self._make(account) if account is not None else ()
            self._buckets[account_id] = sorted(made, key=lambda bucket: bucket.name)
        return self._buckets[account_id]

    def _make(self, account: Account) -> Iterator[Bucket]:
        number, regions = self._numbers[account.account_id], self._world.regions
        draw = random.Random(digest(self._world.seed, "buckets", account.account_id))
        start = EPOCH + dt.timedelta(seconds=draw.randrange(2 * 365 * 86400))

        def bucket(kind: str, position: int, **other: Any) -> Bucket:
            name = f"{self._world.tenant}-{kind}-{digest('bucket', self._world.seed, account.account_id, kind)[:10]}"
            return Bucket(name, account.account_id, regions[position % len(regions)], start, **other)

        # What every account pays for storage lies in a bucket: see the bill.
        yield bucket("logs", 0, objects=100_000)
        if account.kind != "workload" or account.name == SPARSE:
            return
        tags = {
            "bc:business-service": account.application,
            "bc:environment": "prod" if "Production" in account.ou else "non-prod",
            "bc:business-owner": draw.choice(OWNERS),
            "назначение": "データ 🪣 'quoted' & \\ <tag>",
        }
        if account.name == TAG_HEAVY:
            tags |= {f"team/{filler:02d}:ключ": f"value {filler}" for filler in range(50 - len(tags))}
        # In a region of its own, wherever the account is at home.
        yield bucket("data", number, tags=tags, objects=7)
        if number % 2 == 0:
            yield bucket("empty", number + 1, tags={"empty": "", "Bc:Environment": "Prod"}, objects=0)
        if number % 3 == 0:
            yield bucket("left.over", number + 2, was_tagged=True, objects=0)
        if number % 4 == 0:
            yield bucket("vault", number, tags={"bc:business-service": "vault"}, is_locked=True)
        # One account has more than fit on a page.
        if account.account_id == self._first:
            for tenant in range(6):
                yield bucket(f"tenant-{tenant}", tenant, tags={"bc:cost-centre": f"00{tenant}"}, objects=tenant)

    # ------------------------------------------------------------------ answers

    def _list_buckets(self, call: Call) -> Output:
        """Paged, and with regions, only for those who ask with a parameter."""
        asked = call.parameters
        there = [
            bucket
            for bucket in self.of(call.account_id)
            if bucket.name.startswith(asked.get("Prefix") or "") and asked.get("BucketRegion") in {None, bucket.region}
        ]
        owner = {"ID": digest("canonical", call.account_id)}
        if not asked:
            return {"Buckets": [_shown(bucket) for bucket in there], "Owner": owner}
        page = self._settings.page(
            call, "Buckets", there, lambda bucket: {**_shown(bucket), "BucketRegion": bucket.region}
        )
        return {**page, "Owner": owner}

    def _asked(self, call: Call, name: str, action: str, arn: str) -> Bucket:
        """The bucket that a call is about, where the caller may see it and asks in the right place."""
        bucket = next((own for own in self.of(call.account_id) if own.name == name), None)
        if bucket is None:
            if any(other.name == name for account in self._world.accounts for other in self.of(account)):
                raise denied("s3", action, call.arn, arn)
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        if bucket.is_locked:
            message = f"User: {call.arn} is not authorized to perform: {action} on resource: {arn} "
            raise AwsError("AccessDenied", f"{message}with an explicit deny in a resource-based policy", 403)
        if bucket.region != call.region:
            raise AwsError("PermanentRedirect", f"The bucket must be addressed in {bucket.region}.", 301)
        return bucket

    def _list_objects(self, call: Call) -> Output:
        name = str(call.parameters.get("Bucket"))
        bucket = self._asked(call, name, "s3:ListBucket", f"arn:aws:s3:::{name}")
        if call.parameters.get("ExpectedBucketOwner") not in {None, bucket.account_id}:
            raise denied("s3", "s3:ListBucket", call.arn, bucket.arn)
        most = call.parameters.get("MaxKeys")
        shown = min(bucket.objects, 1000 if most is None else int(most))
        written = key_writer(call)
        answer: Output = {
            "Name": bucket.name,
            "Prefix": "",
            "EncodingType": call.parameters.get("EncodingType"),
            "MaxKeys": 1000 if most is None else int(most),
            "KeyCount": shown,
            "IsTruncated": shown < bucket.objects,
            "Contents": [
                {
                    "Key": written(f"confidential/клиент {number}.csv"),
                    "LastModified": bucket.created_at,
                    "ETag": f'"{digest(bucket.name, number)[:32]}"',
                    "Size": 4096,
                    "StorageClass": "STANDARD",
                }
                for number in range(shown)
            ],
        }
        if shown < bucket.objects:
            answer["NextContinuationToken"] = digest("token", bucket.name, shown)
        return answer

    def _list_tags(self, call: Call) -> Output:
        if call.parameters.get("AccountId") != call.account_id:
            raise AwsError("AccessDenied", "The account of the request is not the caller's.", 403)
        arn = str(call.parameters.get("ResourceArn"))
        bucket = self._asked(call, arn.rpartition(":")[2], "s3:ListTagsForResource", arn)
        if not bucket.tags and not bucket.was_tagged:
            raise AwsError("NoSuchTagSet", "There is no tag set associated with the bucket.", 404)
        return {"Tags": [{"Key": key, "Value": value} for key, value in bucket.tags.items()]}

    # ------------------------------------------------------------------ later nights

    def _bucket(self, name: str) -> Bucket:
        for account_id in self._world.accounts:
            for bucket in self.of(account_id):
                if bucket.name == name:
                    return bucket
        raise WorldError(f"there is no bucket {name}")

    def _change_create_bucket(
        self, account_id: str, region: str, name: str, tags: dict[str, str] | None = None, objects: int = 0
    ) -> dict[str, Any]:
        self._world.account(account_id)
        if region not in self._world.regions:
            raise WorldError(f"{region} is not enabled; enabled are {', '.join(self._world.regions)}")
        if any(bucket.name == name for account in self._world.accounts for bucket in self.of(account)):
            raise WorldError(f"somebody has a bucket {name} already")
        made = dt.datetime.combine(self._world.today, dt.time(), dt.UTC)
        there = self.of(account_id)
        there.append(Bucket(name, account_id, region, made, dict(tags or {}), objects=objects))
        there.sort(key=lambda bucket: bucket.name)
        return {"name": name}

    def _change_delete_bucket(self, name: str) -> dict[str, Any]:
        bucket = self._bucket(name)
        self.of(bucket.account_id).remove(bucket)
        return {"name": name}

    def _change_retag_bucket(self, name: str, tags: dict[str, str]) -> dict[str, Any]:
        bucket = self._bucket(name)
        bucket.tags, bucket.was_tagged = dict(tags), True
        return {"name": name, "tags": tags}

    def _change_lock_bucket(self, name: str) -> dict[str, Any]:
        """A policy now keeps us out."""
        self._bucket(name).is_locked = True
        return {"name": name}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Every bucket, as JSON data."""
        return {
            "buckets": [
                {
                    "arn": bucket.arn,
                    "name": bucket.name,
                    "account_id": bucket.account_id,
                    "region": bucket.region,
                    "created_at": bucket.created_at.isoformat(),
                    "tags": bucket.tags,
                    "has_objects": bucket.objects > 0,
                    "is_locked": bucket.is_locked,
                }
                for account_id, account in self._world.accounts.items()
                if account.left_on is None
                for bucket in self.of(account_id)
            ]
        }


def buckets_of(network: Network, account_id: str, region: str, kind: str = "") -> list[Bucket]:
    """The buckets of one account of the network's organisation in one region, of the kind that their names say."""
    buckets = next(part for part in network.world.parts if isinstance(part, Buckets))
    begins = f"{network.world.tenant}-{kind}"
    return [own for own in buckets.of(account_id) if own.region == region and own.name.startswith(begins)]


def _shown(bucket: Bucket) -> Output:
    return {"Name": bucket.name, "CreationDate": bucket.created_at}
