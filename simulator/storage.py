"""Volumes, snapshots and images of the organisation, and how EC2 lists them.

Pure data, made when first asked for. Each living instance has a root volume; what else a workload account has in a
region is written down here by its instances' numbers. A volume outlives its instance or goes with it, as it says.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.inputs import unsupported
from simulator.network import Network, Owned, made_id
from simulator.pages import Handler, Item, Output, Settings, bad_request
from simulator.wire import Call
from simulator.world import EPOCH, OWNERS, SPARSE, Account, Instance, World, WorldError, digest

PUBLIC_IMAGE = "ami-0abcdef1234567890"
"""Of Amazon: most instances come from it, and nobody's own list has it."""

PUBLIC_SNAPSHOT = "snap-0abcdef1234567890"
COPIED = "vol-ffffffff"
"""What AWS answers as the volume of a copied snapshot."""

ROOT_DEVICE = "/dev/xvda"
STRANGER = "999988887777"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A volume at an instance."""

    instance_id: str
    device: str
    attached_at: dt.datetime
    goes_with_instance: bool = False


@dataclass(frozen=True, kw_only=True)
class Volume(Owned):
    """A volume. `trouble` is a state that has nothing to do with attachments: creating or error.

    Attributes:
        manager: the service that keeps it there, which hides it; empty for the account's own.
    """

    size_gb: int
    volume_type: str
    zone: str
    created_at: dt.datetime
    iops: int | None = None
    throughput: int | None = None
    kms_key_id: str | None = None
    snapshot_id: str = ""
    is_multi_attach: bool = False
    attachments: tuple[Attachment, ...] = ()
    trouble: str = ""
    manager: str = ""

    @property
    def state(self) -> str:
        """In AWS's words."""
        return self.trouble or ("in-use" if self.attachments else "available")


@dataclass(frozen=True, kw_only=True)
class Snapshot(Owned):
    """A snapshot."""

    volume_id: str
    size_gb: int
    started_at: dt.datetime
    description: str
    state: str = "completed"
    progress: str = "100%"
    message: str | None = None
    tier: str = "standard"
    kms_key_id: str | None = None

    @property
    def is_public(self) -> bool:
        """Whether everybody may restore it: some that are not encrypted, whose account nobody warned."""
        return self.kms_key_id is None and int(self.resource_id[-2:], 16) % 8 == 0


@dataclass(frozen=True, kw_only=True)
class Image(Owned):
    """An image. Without a snapshot it begins from a disk of the host."""

    name: str
    created_at: dt.datetime
    snapshot_ids: tuple[str, ...] = ()
    state: str = "available"
    reason: str | None = None
    is_public: bool = False
    is_windows: bool = False
    last_launched_at: dt.datetime | None = None
    deprecated_at: dt.datetime | None = None
    source_instance_id: str | None = None


@dataclass
class Shelf:
    """The storage of one account in one region, by id, and the image of instances that have not the public one."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    image_of: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def everything(self) -> Iterator[Owned]:
        """All of it, with volumes as they were made."""
        yield from (*self.volumes.values(), *self.snapshots.values(), *self.images.values())


class Storage:
    """The handlers and their truth."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._numbers = world.numbers
        world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("ec2", "DescribeVolumes"): self._describe_volumes,
            ("ec2", "DescribeSnapshots"): self._describe_snapshots,
            ("ec2", "DescribeImages"): self._describe_images,
        }

    # ------------------------------------------------------------------ data

    def _shelf(self, account_id: str, region: str) -> Shelf:
        key = (account_id, region)
        if not self._world.uses(account_id, "ec2", region):
            return Shelf()
        if key not in self._shelves:
            account = self._world.accounts.get(account_id)
            shelf = self._shelves[key] = Shelf()
            # The sparse account has nothing outside the first region.
            is_bare = account is None or (account.name == SPARSE and region != self._world.regions[0])
            if account and account.kind == "workload" and not is_bare:
                _Maker(self._world, account, region, self._numbers[account_id], shelf).fill()
        return self._shelves[key]

    def volumes(self, account_id: str, region: str) -> list[Volume]:
        """The volumes as they are beside the instances that there are now."""
        shelf = self._shelf(account_id, region)
        alive = {
            instance.instance_id: instance
            for instance in self._world.instances(account_id, region)
            if instance.state != "terminated"
        }
        for instance in alive.values():
            root = _root(self._world.seed, instance)
            if root.resource_id not in shelf.deleted:
                shelf.volumes.setdefault(root.resource_id, root)
        found = []
        for volume in shelf.volumes.values():
            kept = tuple(attachment for attachment in volume.attachments if attachment.instance_id in alive)
            lost = set(volume.attachments) - set(kept)
            if not any(attachment.goes_with_instance for attachment in lost):
                found.append(dataclasses.replace(volume, attachments=kept))
        return found

    def snapshots(self, account_id: str, region: str) -> list[Snapshot]:
        """The snapshots."""
        return [*self._shelf(account_id, region).snapshots.values()]

    def images(self, account_id: str, region: str) -> list[Image]:
        """The images."""
        return [*self._shelf(account_id, region).images.values()]

    def image_of(self, instance: Instance) -> str:
        """What an instance was made from: a public image, an own one, or one that is no more."""
        shelf = self._shelf(instance.account_id, instance.region)
        return shelf.image_of.get(instance.instance_id, PUBLIC_IMAGE)

    def devices(self, account_id: str, region: str) -> dict[str, list[tuple[Attachment, Volume]]]:
        """What is attached to each instance."""
        found: dict[str, list[tuple[Attachment, Volume]]] = {}
        for volume in self.volumes(account_id, region):
            for attachment in volume.attachments:
                found.setdefault(attachment.instance_id, []).append((attachment, volume))
        return found

    def everything(self, account_id: str, region: str) -> Iterator[Owned]:
        """All that lies in an account and region."""
        yield from self.volumes(account_id, region)
        yield from self.snapshots(account_id, region)
        yield from self.images(account_id, region)

    # ------------------------------------------------------------------ later nights

    def _find(self, resource_id: str) -> tuple[Shelf, Owned]:
        for account_id in self._world.accounts:
            for region in self._world.regions:
                for owned in self.everything(account_id, region):
                    if owned.resource_id == resource_id:
                        return self._shelf(account_id, region), owned
        raise WorldError(f"there is no volume, snapshot or image {resource_id}")

    def _volume(self, volume_id: str) -> tuple[Shelf, Volume]:
        shelf, found = self._find(volume_id)
        if not isinstance(found, Volume):
            raise WorldError(f"{volume_id} is no volume")
        return shelf, found

    def _change_add_volume(
        self,
        account_id: str,
        region: str,
        size_gb: int = 10,
        volume_type: str = "gp3",
        tags: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        if region not in self._world.regions:
            raise WorldError(f"{region} is not enabled; enabled are {', '.join(self._world.regions)}")
        self._world.account(account_id)
        volume = Volume(
            resource_id=made_id("vol", self._world.seed, account_id, region, "added", self._world.version),
            account_id=account_id,
            region=region,
            kind="volume",
            tags=dict(tags or {}),
            size_gb=size_gb,
            zone=f"{region}a",
            created_at=dt.datetime.combine(self._world.today, dt.time(), dt.UTC),
            **_performance(volume_type, size_gb),
        )
        self._shelf(account_id, region).volumes[volume.resource_id] = volume
        return {"volume_id": volume.resource_id, "arn": volume.arn}

    def _change_attach_volume(self, volume_id: str, instance_id: str, device: str = "/dev/sdz") -> dict[str, Any]:
        """Attach a volume, to this instance alone: it leaves any other."""
        shelf, volume = self._volume(volume_id)
        instance = self._world.find(instance_id)
        if (instance.account_id, instance.region) != (volume.account_id, volume.region):
            raise WorldError(f"{instance_id} lies in another account or region than {volume_id}")
        attached = Attachment(
            instance_id=instance_id,
            device=device,
            attached_at=dt.datetime.combine(self._world.today, dt.time(), dt.UTC),
        )
        shelf.volumes[volume_id] = dataclasses.replace(volume, attachments=(attached,))
        return {"volume_id": volume_id, "instance_id": instance_id, "device": device}

    def _change_detach_volume(self, volume_id: str) -> dict[str, Any]:
        shelf, volume = self._volume(volume_id)
        shelf.volumes[volume_id] = dataclasses.replace(volume, attachments=())
        return {"volume_id": volume_id}

    def _change_modify_volume(
        self, volume_id: str, volume_type: str = "", size_gb: int | None = None
    ) -> dict[str, Any]:
        shelf, volume = self._volume(volume_id)
        performance = _performance(volume_type or volume.volume_type, size_gb or volume.size_gb)
        changed = dataclasses.replace(volume, size_gb=size_gb or volume.size_gb, **performance)
        shelf.volumes[volume_id] = changed
        return {"volume_id": volume_id, "volume_type": changed.volume_type, "size_gb": changed.size_gb}

    def _change_manage_volume(self, volume_id: str, principal: str = "eks.amazonaws.com") -> dict[str, Any]:
        shelf, volume = self._volume(volume_id)
        shelf.volumes[volume_id] = dataclasses.replace(volume, manager=principal)
        return {"volume_id": volume_id, "principal": principal}

    def _change_add_snapshot(
        self, volume_id: str, description: str = "", tags: dict[str, str] | None = None
    ) -> dict[str, Any]:
        shelf, volume = self._volume(volume_id)
        snapshot = Snapshot(
            resource_id=made_id("snap", self._world.seed, volume_id, "added", self._world.version),
            account_id=volume.account_id,
            region=volume.region,
            kind="snapshot",
            tags=dict(tags or {}),
            volume_id=volume_id,
            size_gb=volume.size_gb,
            started_at=dt.datetime.combine(self._world.today, dt.time(), dt.UTC),
            description=description,
        )
        shelf.snapshots[snapshot.resource_id] = snapshot
        return {"snapshot_id": snapshot.resource_id, "arn": snapshot.arn}

    def _change_delete_storage(self, resource_id: str) -> dict[str, Any]:
        """Delete a volume or a snapshot, deregister an image. What names it keeps its name."""
        shelf, _ = self._find(resource_id)
        for kept in (shelf.volumes, shelf.snapshots, shelf.images):
            kept.pop(resource_id, None)
        shelf.deleted.add(resource_id)
        return {"resource_id": resource_id}

    def _change_retag_storage(self, resource_id: str, tags: dict[str, str]) -> dict[str, Any]:
        shelf, found = self._find(resource_id)
        changed = dataclasses.replace(found, tags=dict(tags), was_tagged=True)
        match changed:
            case Volume():
                shelf.volumes[resource_id] = changed
            case Snapshot():
                shelf.snapshots[resource_id] = changed
            case Image():
                shelf.images[resource_id] = changed
        return {"resource_id": resource_id, "tags": tags}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Everything, one list for each type of resource, as JSON data."""
        places = [
            (account_id, region)
            for account_id, account in self._world.accounts.items()
            for region in (self._world.regions if account.left_on is None else ())
        ]
        return {
            "volumes": [
                {
                    **volume.row(),
                    "volume_id": volume.resource_id,
                    "size_gb": volume.size_gb,
                    "volume_type": volume.volume_type,
                    "iops": volume.iops,
                    "throughput": volume.throughput,
                    "state": volume.state,
                    "availability_zone": volume.zone,
                    "created_at": volume.created_at.isoformat(),
                    "kms_key_id": volume.kms_key_id,
                    "snapshot_id": volume.snapshot_id or None,
                    "is_multi_attach": volume.is_multi_attach,
                    "attachments": [
                        {
                            "instance_id": attachment.instance_id,
                            "device": attachment.device,
                            "attached_at": attachment.attached_at.isoformat(),
                            "deletes_on_termination": attachment.goes_with_instance,
                        }
                        for attachment in volume.attachments
                    ],
                }
                for place in places
                for volume in self.volumes(*place)
            ],
            "public_images": [
                {**image.row(), "image_id": image.resource_id}
                for place in places
                for image in self.images(*place)
                if image.is_public
            ],
            "public_snapshots": [
                {**snapshot.row(), "snapshot_id": snapshot.resource_id}
                for place in places
                for snapshot in self.snapshots(*place)
                if snapshot.is_public
            ],
            "snapshots": [
                {
                    **snapshot.row(),
                    "snapshot_id": snapshot.resource_id,
                    "volume_id": snapshot.volume_id,
                    "size_gb": snapshot.size_gb,
                    "state": snapshot.state,
                    "progress": snapshot.progress,
                    "storage_tier": snapshot.tier,
                    "started_at": snapshot.started_at.isoformat(),
                    "description": snapshot.description,
                    "kms_key_id": snapshot.kms_key_id,
                }
                for place in places
                for snapshot in self.snapshots(*place)
            ],
            "images": [
                {
                    **image.row(),
                    "image_id": image.resource_id,
                    "name": image.name,
                    "state": image.state,
                    "created_at": image.created_at.isoformat(),
                    "is_public": image.is_public,
                    "is_windows": image.is_windows,
                    "last_launched_at": image.last_launched_at and image.last_launched_at.isoformat(),
                    "snapshot_ids": list(image.snapshot_ids),
                    "source_instance_id": image.source_instance_id,
                }
                for place in places
                for image in self.images(*place)
            ],
            "image_of_instance": {
                instance.instance_id: self.image_of(instance)
                for place in places
                for instance in self._world.instances(*place)
            },
        }

    # ------------------------------------------------------------------ answers

    def _page(
        self,
        call: Call,
        key: str,
        items: Sequence[Item],
        shown: Callable[[Item], Any],
        *,
        empty_page: int | None = None,
    ) -> Output:
        """One page. AWS may answer a page without items and with a token: page number `empty_page` is one."""
        at = self._settings.size(call)
        slots: list[Item | None] = [*items]
        if empty_page is not None:
            slots[empty_page * at : empty_page * at] = [None] * at
        output = self._settings.page(call, key, slots)
        output[key] = [shown(item) for item in output[key] if item is not None]
        return output

    def _describe_volumes(self, call: Call) -> Output:
        found = self.volumes(call.account_id, call.region)
        if not call.parameters.get("IncludeManagedResources"):
            found = [volume for volume in found if not volume.manager]
        found = _named(call, "VolumeIds", found, "InvalidVolume.NotFound")
        return self._page(call, "Volumes", found, _show_volume)

    def _describe_snapshots(self, call: Call) -> Output:
        owners = set(call.parameters.get("OwnerIds") or [])
        found = self.snapshots(call.account_id, call.region)
        if not owners & {"self", call.account_id}:
            found = [] if owners else [*found, *_foreign_snapshots(call.region)]
        if _is_public(call, "RestorableByUserIds"):
            found = [snapshot for snapshot in found if snapshot.is_public or snapshot.account_id != call.account_id]
        found = _named(call, "SnapshotIds", found, "InvalidSnapshot.NotFound")
        return self._page(call, "Snapshots", found, _show_snapshot, empty_page=1)

    def _describe_images(self, call: Call) -> Output:
        owners = set(call.parameters.get("Owners") or [])
        found = self.images(call.account_id, call.region)
        if not owners & {"self", call.account_id}:
            found = [] if owners else [*found, _public_image(call.region)]
        if _is_public(call, "ExecutableUsers"):
            found = [image for image in found if image.is_public]
        if not call.parameters.get("IncludeDisabled"):
            found = [image for image in found if image.state != "disabled"]
        found = _named(call, "ImageIds", found, "InvalidAMIID.NotFound")
        return self._page(call, "Images", found, _show_image, empty_page=0)


def _is_public(call: Call, parameter: str) -> bool:
    """Whether a call names the public, which is all that is known here of who may use something."""
    asked = call.parameters.get(parameter)
    if asked not in (None, ["all"]):
        raise unsupported(call, parameter)
    return asked is not None


def _named(call: Call, parameter: str, items: Sequence[Any], code: str) -> list[Any]:
    """Those that the call names, or all."""
    wanted = set(call.parameters.get(parameter) or [])
    found = [item for item in items if not wanted or item.resource_id in wanted]
    if missing := wanted - {item.resource_id for item in found}:
        raise bad_request(code, f"'{', '.join(sorted(missing))}' does not exist.")
    return found


def storage_of(network: Network) -> Storage:
    """The storage of the organisation whose network it is."""
    return next(part for part in network.world.parts if isinstance(part, Storage))


def tag_list(tags: dict[str, str]) -> dict[str, Any]:
    """The tags of an answer of EC2, which leaves out what is empty."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}


def given(**values: Any) -> dict[str, Any]:
    """The fields that have a value: EC2 leaves out the others."""
    return {name: value for name, value in values.items() if value is not None}


def _show_volume(volume: Volume) -> Output:
    return {
        "VolumeId": volume.resource_id,
        "VolumeArn": volume.arn,
        "OwnerId": volume.account_id,
        "Size": volume.size_gb,
        "SnapshotId": volume.snapshot_id,
        "AvailabilityZone": volume.zone,
        "State": volume.state,
        "CreateTime": volume.created_at,
        "VolumeType": volume.volume_type,
        "Encrypted": volume.kms_key_id is not None,
        "SseType": "sse-kms" if volume.kms_key_id else "none",
        "FastRestored": False,
        "Operator": {"Managed": True, "Principal": volume.manager, "HiddenByDefault": True}
        if volume.manager
        else {"Managed": False},
        "MultiAttachEnabled": volume.is_multi_attach,
        "Attachments": [
            {
                "VolumeId": volume.resource_id,
                "InstanceId": attachment.instance_id,
                "Device": attachment.device,
                "State": "attached",
                "AttachTime": attachment.attached_at,
                "DeleteOnTermination": attachment.goes_with_instance,
            }
            for attachment in volume.attachments
        ],
        **given(Iops=volume.iops, Throughput=volume.throughput, KmsKeyId=volume.kms_key_id),
        **tag_list(volume.tags),
    }


def _show_snapshot(snapshot: Snapshot) -> Output:
    is_done = snapshot.state == "completed"
    return {
        "SnapshotId": snapshot.resource_id,
        "OwnerId": snapshot.account_id,
        "VolumeId": snapshot.volume_id,
        "VolumeSize": snapshot.size_gb,
        "State": snapshot.state,
        "Progress": snapshot.progress,
        "StartTime": snapshot.started_at,
        "Description": snapshot.description,
        "StorageTier": snapshot.tier,
        "Encrypted": snapshot.kms_key_id is not None,
        "SseType": "sse-kms" if snapshot.kms_key_id else "none",
        "TransferType": "standard",
        **given(
            KmsKeyId=snapshot.kms_key_id,
            DataEncryptionKeyId=digest("data key", snapshot.volume_id) if snapshot.kms_key_id else None,
            StateMessage=snapshot.message,
            CompletionTime=snapshot.started_at + dt.timedelta(minutes=7) if is_done else None,
            FullSnapshotSizeInBytes=snapshot.size_gb * 2**29 if is_done else None,
        ),
        **tag_list(snapshot.tags),
    }


def _stamp(moment: dt.datetime | None) -> str | None:
    """A time as EC2 writes it where its model has text."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _show_image(image: Image) -> Output:
    is_ebs = bool(image.snapshot_ids)
    disks: list[dict[str, Any]] = [
        {
            "DeviceName": ROOT_DEVICE if number == 0 else f"/dev/sd{'fghij'[number - 1]}",
            "Ebs": {
                "SnapshotId": snapshot_id,
                "VolumeSize": 8,
                "VolumeType": "gp3",
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        }
        for number, snapshot_id in enumerate(image.snapshot_ids)
    ]
    return {
        "ImageId": image.resource_id,
        "OwnerId": image.account_id,
        "Name": image.name,
        "ImageLocation": f"{image.account_id}/{image.name}",
        "State": image.state,
        "CreationDate": _stamp(image.created_at),
        "Public": image.is_public,
        "Architecture": "x86_64",
        "ImageType": "machine",
        "PlatformDetails": "Windows" if image.is_windows else "Linux/UNIX",
        "RootDeviceType": "ebs" if is_ebs else "instance-store",
        "RootDeviceName": ROOT_DEVICE,
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "BootMode": "uefi-preferred",
        "UsageOperation": "RunInstances:0002" if image.is_windows else "RunInstances",
        "DeregistrationProtection": "disabled",
        "ImageAllowed": True,
        "BlockDeviceMappings": [*disks, {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}],
        **given(
            Description=f"Hardened, from {image.created_at:%Y-%m}" if image.name.startswith("golden") else None,
            TpmSupport="v2.0" if image.is_windows else None,
            Platform="windows" if image.is_windows else None,
            ImdsSupport="v2.0" if image.name.startswith("golden") else None,
            LastLaunchedTime=_stamp(image.last_launched_at),
            DeprecationTime=_stamp(image.deprecated_at),
            SourceInstanceId=image.source_instance_id,
            StateReason={"Code": "Client.Failed", "Message": image.reason} if image.reason else None,
        ),
        **tag_list(image.tags),
    }


def _foreign_snapshots(region: str) -> list[Snapshot]:
    """What everybody sees who does not ask for the own ones alone."""
    return [
        Snapshot(
            resource_id=PUBLIC_SNAPSHOT,
            account_id=STRANGER,
            region=region,
            kind="snapshot",
            volume_id=COPIED,
            size_gb=8,
            started_at=EPOCH,
            description="public",
        )
    ]


def _public_image(region: str) -> Image:
    return Image(
        resource_id=PUBLIC_IMAGE,
        account_id=STRANGER,
        region=region,
        kind="image",
        name="linux",
        created_at=EPOCH,
        snapshot_ids=(PUBLIC_SNAPSHOT,),
        is_public=True,
    )


# ---------------------------------------------------------------------- made


def _performance(volume_type: str, size_gb: int) -> dict[str, Any]:
    """Type, and what AWS answers of its performance: gp2 by size, gp3 and io2 as provisioned, disks nothing."""
    iops = {"gp2": max(100, 3 * size_gb), "gp3": 3000, "io2": 50 * size_gb}.get(volume_type)
    return {"volume_type": volume_type, "iops": iops, "throughput": 125 if volume_type == "gp3" else None}


def _root(seed: int, instance: Instance) -> Volume:
    kind = "gp2" if int(instance.instance_id[-2], 16) % 3 == 0 else "gp3"
    return Volume(
        resource_id=made_id("vol", seed, instance.instance_id, ROOT_DEVICE),
        account_id=instance.account_id,
        region=instance.region,
        kind="volume",
        size_gb=8 + 8 * (int(instance.instance_id[-1], 16) % 4),
        zone=instance.zone,
        created_at=instance.launched_at,
        snapshot_id=PUBLIC_SNAPSHOT,
        attachments=(
            Attachment(
                instance_id=instance.instance_id,
                device=ROOT_DEVICE,
                attached_at=instance.launched_at,
                goes_with_instance=True,
            ),
        ),
        **_performance(kind, 8),
    )


class _Maker:
    """Fills the shelf of one workload account in one region."""

    def __init__(self, world: World, account: Account, region: str, number: int, shelf: Shelf) -> None:
        self._world, self._account, self._region, self._shelf = world, account, region, shelf
        # Which variant this place has.
        self._number = number + world.regions.index(region)
        self._midnight = dt.datetime.combine(world.today, dt.time(), dt.UTC)
        self._key = (
            f"arn:aws:kms:{region}:{account.account_id}:key/{digest(world.seed, account.account_id, region)[:8]}"
        )

    def _owned(self, prefix: str, kind: str, name: str, tags: dict[str, str] | None) -> dict[str, Any]:
        return {
            "resource_id": self._id(prefix, name),
            "account_id": self._account.account_id,
            "region": self._region,
            "kind": kind,
            "tags": tags or {},
        }

    def _id(self, prefix: str, name: str) -> str:
        return made_id(prefix, self._world.seed, self._account.account_id, self._region, name)

    def _instance(self, number: int) -> str:
        return self._world.instance_id(self._account.account_id, self._region, number)

    def _tags(self, name: str, **more: str) -> dict[str, str]:
        return {
            "Name": name,
            "bc:business-service": self._account.application,
            "bc:business-owner": OWNERS[self._number % len(OWNERS)],
            **more,
        }

    def fill(self) -> None:
        """Everything but the root volumes."""
        self._fill_volumes()
        self._fill_snapshots()
        self._fill_images()

    def _volume(
        self,
        name: str,
        volume_type: str,
        size_gb: int,
        at: Sequence[int] = (),
        tags: dict[str, str] | None = None,
        device: str = "/dev/sdf",
        **more: Any,
    ) -> None:
        created_at = EPOCH + dt.timedelta(days=len(name), hours=self._number)
        attached_at = created_at + dt.timedelta(hours=1)
        volume = Volume(
            **self._owned("vol", "volume", name, tags),
            size_gb=size_gb,
            zone=self._world.zone(self._region, at[0] if at else 0),
            created_at=created_at,
            attachments=tuple(
                Attachment(instance_id=self._instance(number), device=device, attached_at=attached_at) for number in at
            ),
            **{**_performance(volume_type, size_gb), **more},
        )
        self._shelf.volumes[volume.resource_id] = volume

    def _fill_volumes(self) -> None:
        """By the instances' numbers: 0 runs, 5 is stopped, 7 terminated; 0 and 3 stand in one zone."""
        self._volume("data", "gp2", 100, (0,), self._tags("data 0"))
        self._volume("cold data", "st1", 500, (5,), self._tags("cold – 冷"))
        cluster: dict[str, Any] = {"device": "/dev/sdg", "is_multi_attach": True, "kms_key_id": self._key}
        self._volume("cluster", "io2", 64, (0, 3), self._tags("cluster 🥝"), **cluster)
        unattached = self._tags("it's \"unattached\"'; --", empty="")
        self._volume("unattached", "gp3", 200, (), unattached, iops=4000, throughput=250, kms_key_id=self._key)
        self._volume("nobody's", "gp2", 8, snapshot_id=self._id("snap", "of another account"))
        self._volume("survivor", "gp3", 30, (7,), self._tags("left over"))
        if self._number % 2:
            self._volume("trouble", "standard", 1, trouble="error" if self._number % 4 == 1 else "creating")

    def _snapshot(
        self, name: str, volume_id: str, days: int, description: str, tags: dict[str, str] | None = None, **more: Any
    ) -> None:
        snapshot = Snapshot(
            **self._owned("snap", "snapshot", name, tags),
            volume_id=volume_id,
            size_gb=more.pop("size_gb", 100),
            started_at=self._midnight - dt.timedelta(days=days, minutes=11),
            description=description,
            **more,
        )
        self._shelf.snapshots[snapshot.resource_id] = snapshot

    def _fill_snapshots(self) -> None:
        data = self._id("vol", "data")
        for days in (400, 91, 90, 10):
            self._snapshot(f"data {days}", data, days, f"data, {days} days ago", self._tags(f"data -{days}"))
        root = made_id("vol", self._world.seed, self._instance(1), ROOT_DEVICE)
        made = f"Created by CreateImage({self._instance(1)}) for {self._id('ami', 'golden')}"
        self._snapshot("golden", root, 200, made, size_gb=8)
        gone = self._id("vol", "deleted long ago")
        self._snapshot("of a deleted volume", gone, 700, "before O'Brien's \"move\"; --", {"Name": ""})
        self._snapshot("copied", COPIED, 300, "", tier="archive", kms_key_id=self._key)
        if self._number % 2:
            self._snapshot("under way", data, 0, "", state="pending", progress="43%")
        else:
            lost = "The KMS key is not accessible – schlüssel fehlt"
            self._snapshot("broken", data, 30, "", state="error", progress="0%", message=lost)

    def _image(self, name: str, label: str, days: int, tags: dict[str, str] | None = None, **more: Any) -> None:
        image = Image(
            **self._owned("ami", "image", name, tags),
            name=label,
            created_at=EPOCH + dt.timedelta(days=days),
            **more,
        )
        self._shelf.images[image.resource_id] = image

    def _fill_images(self) -> None:
        """The instances 1 and 4 come from the first, 6 from one that is no more."""
        golden = self._id("snap", "golden")
        self._image(
            "golden",
            "golden 金 2024",
            400,
            self._tags("golden"),
            snapshot_ids=(golden,),
            source_instance_id=self._instance(1),
            last_launched_at=EPOCH + dt.timedelta(days=500),
        )
        deprecated = EPOCH + dt.timedelta(days=700)
        lost = self._id("snap", "deleted under its image")
        self._image("windows", "windows'; --", 30, snapshot_ids=(lost,), is_windows=True, deprecated_at=deprecated)
        self._image("disabled", "disabled", 60, snapshot_ids=(golden, lost), state="disabled")
        self._image("public", "open to the world", 90, {"team/ключ": "x"}, is_public=True)
        self._image("failed", "failed", 120, state="failed", reason="The snapshot could not be copied")
        if self._number % 2:
            self._image("pending", "pending", 600, state="pending")
        for number in (1, 4):
            self._shelf.image_of[self._instance(number)] = self._id("ami", "golden")
        self._shelf.image_of[self._instance(6)] = self._id("ami", "deregistered")
