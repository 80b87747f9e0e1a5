"""Elastic addresses and NAT gateways of the organisation, and how EC2 lists them.

Pure data, made when first asked for. A NAT gateway stands where the network has an interface for one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.network import NAT_INTERFACE, Interface, Network, Owned, made_id
from simulator.pages import Handler, Output, Settings
from simulator.storage import given, tag_list
from simulator.wire import Call
from simulator.world import EPOCH, World, WorldError, digest

PrivateAddress = Callable[[str, str, str], str]
"""The private address of an instance, by account, region and instance."""


@dataclass(frozen=True, kw_only=True)
class Address(Owned):
    """An elastic address: of an instance, of an interface, or of nothing."""

    public_ip: str
    instance_id: str | None = None
    network_interface_id: str | None = None
    private_ip: str | None = None

    @property
    def association_id(self) -> str | None:
        """Another one for each thing that it is associated with; None without."""
        held = self.instance_id or self.network_interface_id
        return made_id("eipassoc", self.resource_id, held) if held else None


@dataclass(frozen=True, kw_only=True)
class NatGateway(Owned):
    """A NAT gateway; a deleted one is listed for an hour yet."""

    vpc_id: str
    subnet_id: str
    created_at: dt.datetime
    state: str = "available"
    connectivity: str = "public"
    interface_id: str | None = None
    private_ip: str | None = None
    allocation_id: str | None = None
    deleted_at: dt.datetime | None = None
    failure: tuple[str, str] | None = None


@dataclass
class Board:
    """The addresses and gateways of one account in one region, by id."""

    addresses: dict[str, Address] = field(default_factory=dict)
    gateways: dict[str, NatGateway] = field(default_factory=dict)


def instance_interface_id(instance_id: str) -> str:
    """The id of an instance's only interface."""
    return made_id("eni", instance_id)


class Addressing:
    """The handlers and their truth."""

    def __init__(self, network: Network, settings: Settings, private_address: PrivateAddress) -> None:
        self._network, self._world, self._settings = network, network.world, settings
        self._private_address = private_address
        self._boards: dict[tuple[str, str], Board] = {}
        self._numbers = self._world.numbers
        self._world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("ec2", "DescribeAddresses"): self._describe_addresses,
            ("ec2", "DescribeNatGateways"): self._describe_nat_gateways,
        }

    # ------------------------------------------------------------------ data

    def _board(self, account_id: str, region: str) -> Board:
        key = (account_id, region)
        if not self._world.uses(account_id, "ec2", region):
            return Board()
        if key not in self._boards:
            board = self._boards[key] = Board()
            interfaces = self._network.own(account_id, region).interfaces
            if any(interface.interface_type == NAT_INTERFACE for interface in interfaces):
                _Maker(self._world, account_id, region, self._numbers[account_id], board).fill(interfaces)
        return self._boards[key]

    def addresses(self, account_id: str, region: str) -> list[Address]:
        """The addresses; one whose instance is gone is associated with nothing any more."""
        alive = {
            instance.instance_id
            for instance in self._world.instances(account_id, region)
            if instance.state != "terminated"
        }
        return [
            dataclasses.replace(address, instance_id=None, network_interface_id=None)
            if address.instance_id and address.instance_id not in alive
            else address
            for address in self._board(account_id, region).addresses.values()
        ]

    def gateways(self, account_id: str, region: str) -> list[NatGateway]:
        """The NAT gateways."""
        return [*self._board(account_id, region).gateways.values()]

    def public_of(self, account_id: str, region: str) -> dict[str, str]:
        """The public address of each instance that has an elastic one."""
        return {
            address.instance_id: address.public_ip
            for address in self.addresses(account_id, region)
            if address.instance_id
        }

    def everything(self, account_id: str, region: str) -> Iterator[Owned]:
        """All that lies in an account and region."""
        yield from self.addresses(account_id, region)
        yield from self.gateways(account_id, region)

    # ------------------------------------------------------------------ later nights

    def _found(self, kind: str, wanted: str) -> tuple[Board, Any]:
        for account_id in self._world.accounts:
            for region in self._world.regions:
                board = self._board(account_id, region)
                for known in (board.addresses, board.gateways):
                    if wanted in known:
                        return board, known[wanted]
        raise WorldError(f"there is no {kind} {wanted}")

    def _change_allocate_address(
        self, account_id: str, region: str, tags: dict[str, str] | None = None
    ) -> dict[str, Any]:
        if region not in self._world.regions:
            raise WorldError(f"{region} is not enabled; enabled are {', '.join(self._world.regions)}")
        self._world.account(account_id)
        board = self._board(account_id, region)
        address = _address(self._world, account_id, region, f"allocated {self._world.version}", dict(tags or {}))
        board.addresses[address.resource_id] = address
        return {"allocation_id": address.resource_id, "arn": address.arn, "public_ip": address.public_ip}

    def _change_associate_address(self, allocation_id: str, instance_id: str) -> dict[str, Any]:
        """Give an address to this instance alone: it leaves what it had."""
        board, address = self._found("address", allocation_id)
        instance = self._world.find(instance_id)
        if (instance.account_id, instance.region) != (address.account_id, address.region):
            raise WorldError(f"{instance_id} lies in another account or region than {allocation_id}")
        board.addresses[allocation_id] = dataclasses.replace(
            address,
            instance_id=instance_id,
            network_interface_id=instance_interface_id(instance_id),
            private_ip=None,
        )
        return {"allocation_id": allocation_id, "instance_id": instance_id}

    def _change_disassociate_address(self, allocation_id: str) -> dict[str, Any]:
        board, address = self._found("address", allocation_id)
        board.addresses[allocation_id] = dataclasses.replace(
            address, instance_id=None, network_interface_id=None, private_ip=None
        )
        return {"allocation_id": allocation_id}

    def _change_release_address(self, allocation_id: str) -> dict[str, Any]:
        board, _ = self._found("address", allocation_id)
        del board.addresses[allocation_id]
        return {"allocation_id": allocation_id}

    def _change_delete_nat_gateway(self, nat_gateway_id: str) -> dict[str, Any]:
        """Delete a gateway, which is listed for an hour yet; its address stays and is associated with nothing."""
        board, gateway = self._found("NAT gateway", nat_gateway_id)
        board.gateways[nat_gateway_id] = dataclasses.replace(
            gateway,
            state="deleted",
            deleted_at=dt.datetime.combine(self._world.today, dt.time(), dt.UTC),
        )
        if gateway.allocation_id in board.addresses:
            self._change_disassociate_address(gateway.allocation_id)
        return {"nat_gateway_id": nat_gateway_id}

    def _change_forget_nat_gateway(self, nat_gateway_id: str) -> dict[str, Any]:
        board, _ = self._found("NAT gateway", nat_gateway_id)
        del board.gateways[nat_gateway_id]
        return {"nat_gateway_id": nat_gateway_id}

    def _change_retag_addressing(self, resource_id: str, tags: dict[str, str]) -> dict[str, Any]:
        """Of an address or a NAT gateway."""
        board, found = self._found("address or NAT gateway", resource_id)
        known: dict[str, Any] = board.addresses if isinstance(found, Address) else board.gateways
        known[resource_id] = dataclasses.replace(found, tags=dict(tags), was_tagged=True)
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
            "addresses": [
                {
                    **address.row(),
                    "allocation_id": address.resource_id,
                    "public_ip": address.public_ip,
                    "association_id": address.association_id,
                    "instance_id": address.instance_id,
                    "network_interface_id": address.network_interface_id,
                }
                for place in places
                for address in self.addresses(*place)
            ],
            "nat_gateways": [
                {
                    **gateway.row(),
                    "nat_gateway_id": gateway.resource_id,
                    "vpc_id": gateway.vpc_id,
                    "subnet_id": gateway.subnet_id,
                    "state": gateway.state,
                    "connectivity_type": gateway.connectivity,
                    "created_at": gateway.created_at.isoformat(),
                    "deleted_at": gateway.deleted_at and gateway.deleted_at.isoformat(),
                    "allocation_ids": [gateway.allocation_id] if gateway.allocation_id else [],
                    "network_interface_ids": [gateway.interface_id] if gateway.interface_id else [],
                }
                for place in places
                for gateway in self.gateways(*place)
            ],
        }

    # ------------------------------------------------------------------ answers

    def _describe_addresses(self, call: Call) -> Output:
        """Not paged: AWS answers all at once."""
        found = self.addresses(call.account_id, call.region)
        return {"Addresses": [self._show(address) for address in found]}

    def _show(self, address: Address) -> Output:
        private_ip = address.private_ip
        if address.instance_id:
            private_ip = self._private_address(address.account_id, address.region, address.instance_id)
        return {
            "PublicIp": address.public_ip,
            "AllocationId": address.resource_id,
            "Domain": "vpc",
            "PublicIpv4Pool": "amazon",
            "NetworkBorderGroup": address.region,
            **given(
                AssociationId=address.association_id,
                InstanceId=address.instance_id,
                NetworkInterfaceId=address.network_interface_id,
                NetworkInterfaceOwnerId=address.account_id if address.association_id else None,
                PrivateIpAddress=private_ip if address.association_id else None,
            ),
            **tag_list(address.tags),
        }

    def _describe_nat_gateways(self, call: Call) -> Output:
        public = {address.resource_id: address.public_ip for address in self.addresses(call.account_id, call.region)}
        return self._settings.page(
            call,
            "NatGateways",
            self.gateways(call.account_id, call.region),
            lambda gateway: _show_gateway(gateway, public),
            default=2,
        )


def _show_gateway(gateway: NatGateway, public: dict[str, str]) -> Output:
    held = {
        "IsPrimary": True,
        "Status": "succeeded",
        **given(
            NetworkInterfaceId=gateway.interface_id,
            PrivateIp=gateway.private_ip,
            AllocationId=gateway.allocation_id,
            PublicIp=public.get(gateway.allocation_id or ""),
            AssociationId=made_id("eipassoc", gateway.allocation_id, gateway.interface_id)
            if gateway.allocation_id
            else None,
        ),
    }
    code, message = gateway.failure or (None, None)
    return {
        "NatGatewayId": gateway.resource_id,
        "VpcId": gateway.vpc_id,
        "SubnetId": gateway.subnet_id,
        "State": gateway.state,
        "ConnectivityType": gateway.connectivity,
        "CreateTime": gateway.created_at,
        "NatGatewayAddresses": [held] if gateway.interface_id else [],
        **given(DeleteTime=gateway.deleted_at, FailureCode=code, FailureMessage=message),
        **tag_list(gateway.tags),
    }


# ---------------------------------------------------------------------- made


def _address(world: World, account_id: str, region: str, name: str, tags: dict[str, str], **more: Any) -> Address:
    number = int(digest(world.seed, account_id, region, "address", name)[:6], 16)
    return Address(
        resource_id=made_id("eipalloc", world.seed, account_id, region, name),
        account_id=account_id,
        region=region,
        kind="elastic-ip",
        tags=tags,
        # 198.18.0.0/15 is for measurements: nobody has these.
        public_ip=f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 256}",
        **more,
    )


class _Maker:
    """Fills the board of one account in one region."""

    def __init__(self, world: World, account_id: str, region: str, number: int, board: Board) -> None:
        self._world, self._account_id, self._region, self._board = world, account_id, region, board
        account = world.accounts[account_id]
        self._is_hub = account.kind == "operations"
        # Nothing is tagged in the hub's first region.
        self._is_tagged = not (self._is_hub and region == world.regions[0])
        self._number = number + world.regions.index(region)

    def _tags(self, name: str) -> dict[str, str]:
        service = "network" if self._is_hub else self._world.accounts[self._account_id].application
        return {"Name": name, "bc:business-service": service} if self._is_tagged else {}

    def _add_address(self, name: str, tags: dict[str, str], **more: Any) -> Address:
        address = _address(self._world, self._account_id, self._region, name, tags, **more)
        self._board.addresses[address.resource_id] = address
        return address

    def _add_gateway(self, name: str, interface: Interface, *, tags: dict[str, str], **more: Any) -> None:
        gateway = NatGateway(
            resource_id=made_id("nat", interface.resource_id, name),
            account_id=self._account_id,
            region=self._region,
            kind="natgateway",
            tags=tags,
            vpc_id=interface.vpc_id,
            subnet_id=interface.subnet_id,
            created_at=EPOCH + dt.timedelta(days=100 + len(name), hours=self._number),
            **more,
        )
        self._board.gateways[gateway.resource_id] = gateway

    def fill(self, interfaces: list[Interface]) -> None:
        """A gateway for each interface that is one's; in workload accounts, what is left over of others too."""
        for number, interface in enumerate(i for i in interfaces if i.interface_type == NAT_INTERFACE):
            held = {"network_interface_id": interface.resource_id, "private_ip": interface.address}
            address = self._add_address(f"nat {number}", self._tags(f"nat {number} – 出口"), **held)
            self._add_gateway(
                "egress",
                interface,
                tags=self._tags(f"egress {number}"),
                interface_id=interface.resource_id,
                private_ip=interface.address,
                allocation_id=address.resource_id,
            )
        if not self._is_hub:
            self._fill_workload(interface, interfaces)

    def _fill_workload(self, nat: Interface, interfaces: list[Interface]) -> None:
        midnight = dt.datetime.combine(self._world.today, dt.time(), dt.UTC)
        self._add_gateway("old egress", nat, tags={}, state="deleted", deleted_at=midnight)
        if self._number % 3 == 0:
            self._add_gateway("new, inside", nat, tags=self._tags('"new"'), state="pending", connectivity="private")
        elif self._number % 3 == 1:
            lost = ("Gateway.NotAttached", "Network vpc-0 has no Internet gateway attached – kein Ausgang")
            self._add_gateway("broken", nat, tags={}, state="failed", failure=lost)
        first = self._world.instance_id(self._account_id, self._region, 0)
        self._add_address(
            "web",
            self._tags("web"),
            instance_id=first,
            network_interface_id=instance_interface_id(first),
        )
        self._add_address("spare", self._tags('it\'s "spare"; --'))
        self._add_address("nobody's", {})
        for interface in interfaces:
            if interface.description == "bastion":
                self._add_address(
                    "bastion",
                    self._tags("bastion"),
                    network_interface_id=interface.resource_id,
                    private_ip=interface.address,
                )
