"""The world, rendered into moto: lazily for each account and region, directly on moto's backends.

Through moto's API it would take more than ten times as long. A change of the world drops what was rendered;
the next call renders it again, with the same identifiers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from unittest import mock

from moto.core.utils import camelcase_to_underscores
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend, Zone
from moto.ec2.models.block_device import BlockDeviceMapping, BlockDeviceType
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.flow_logs import FlowLogs
from moto.ec2.models.instances import Instance as MotoInstance
from moto.ec2.models.instances import InstanceState
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.ec2.models.subnets import Subnet as MotoSubnet
from moto.ec2.models.vpcs import VPC
from moto.moto_api._internal import mock_random

from simulator import instance_options
from simulator.addressing import Addressing, instance_interface_id
from simulator.network import FlowLog, Group, Interface, Network, Place, Rule, Subnet, Vpc
from simulator.pages import Output, Settings
from simulator.storage import PUBLIC_IMAGE, Attachment, Storage, Volume
from simulator.world import EPOCH, Instance, World

STATES = {"running": 16, "stopped": 80, "terminated": 48}
STATE_LOCK = threading.RLock()
"""Around everything that reads or changes the world or moto: neither is made for threads."""

KEPT = 300
"""Rendered accounts and regions at a time: about 0.6 MB each, so that 2,000 accounts fit."""


class Seeder:
    """Renders instances and networks of a world into moto, an account and region at a time."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world = world
        self.network = Network(world, self._default_place)
        self.storage = Storage(world, settings)
        self.addressing = Addressing(self.network, settings, self._private_address)
        self._done: OrderedDict[tuple[str, str], int] = OrderedDict()

    def forget(self) -> None:
        """Drop everything that was rendered."""
        with STATE_LOCK:
            for account_id, region in self._done:
                ec2_backends[account_id].pop(region, None)
            self._done.clear()

    def render(self, account_id: str, region: str) -> None:
        """Make moto hold what the world holds for this account and region."""
        key = (account_id, region)
        if region not in self.world.regions:
            return
        with STATE_LOCK:
            if self._done.get(key) == self.world.version:
                self._done.move_to_end(key)
                return
            ec2_backends[account_id].pop(region, None)
            mock_random.seed(f"{self.world.seed}/{account_id}/{region}")
            backend = ec2_backends[account_id][region]
            for in_vpc in backend.groups.values():
                for group in in_vpc.values():
                    for rule in group.egress_rules:
                        _own(backend, rule)
            devices = self.storage.devices(account_id, region)
            public = self.addressing.public_of(account_id, region)
            for instance in self.world.instances(account_id, region):
                # Each instance draws from its own seed, so that one that goes does not rename its neighbours.
                mock_random.seed(instance.instance_id)
                made = _run(backend, instance)
                made.image_id = self.storage.image_of(instance)
                _outfit(made, instance_options.options(self.network, instance))
                _equip(backend, made, devices.get(instance.instance_id, ()), public.get(instance.instance_id))
            _lay(backend, self.network.own(account_id, region))
            _lay_shared(backend, self.network.shared_with(account_id, region))
            self._done[key] = self.world.version
            self._done.move_to_end(key)
            while len(self._done) > KEPT:
                (old_account, old_region), _ = self._done.popitem(last=False)
                ec2_backends[old_account].pop(old_region, None)

    def _private_address(self, account_id: str, region: str, instance_id: str) -> str:
        """The address that moto gave an instance."""
        self.render(account_id, region)
        return str(ec2_backends[account_id][region].get_instance(instance_id).private_ip)

    def _default_place(self, account_id: str, region: str) -> Place:
        """The network that moto makes by itself in a new account and region, without rendering the rest."""
        with STATE_LOCK:
            before = mock_random.getstate()
            mock_random.seed(f"{self.world.seed}/{account_id}/{region}")
            backend = EC2Backend(region, account_id)
            mock_random.setstate(before)
        owner: dict[str, Any] = {"account_id": account_id, "region": region}
        return Place(
            vpcs=[
                Vpc(resource_id=vpc.id, kind="vpc", **owner, cidr=vpc.cidr_block, is_default=True)
                for vpc in backend.vpcs.values()
            ],
            subnets=[
                Subnet(
                    resource_id=subnet.id,
                    kind="subnet",
                    **owner,
                    vpc_id=subnet.vpc_id,
                    cidr=subnet.cidr_block,
                    zone=subnet.availability_zone,
                    is_default=True,
                )
                for in_zone in backend.subnets.values()
                for subnet in in_zone.values()
            ],
            groups=[
                Group(
                    resource_id=group.id,
                    kind="security-group",
                    **owner,
                    vpc_id=group.vpc_id or "",
                    name=group.name,
                    description=group.description,
                    is_default=True,
                    rules=tuple(
                        Rule(
                            rule_id=rule.id,
                            is_egress=rule.is_egress,
                            protocol=rule.ip_protocol or "-1",
                            from_port=None,
                            to_port=None,
                            cidr_ipv4=rule.cidr_ipv4,
                        )
                        for rule in group.egress_rules
                    ),
                )
                for in_vpc in backend.groups.values()
                for group in in_vpc.values()
            ],
        )


def _run(backend: EC2Backend, instance: Instance) -> MotoInstance:
    with mock.patch("moto.ec2.models.instances.random_instance_id", return_value=instance.instance_id):
        reservation = backend.run_instances(
            PUBLIC_IMAGE,
            1,
            None,
            [],
            instance_type=instance.instance_type,
            is_instance_type_default=False,
            region_name=instance.region,
            placement=instance.zone,
            tags={"instance": instance.tags},
            nics=[],
        )
    made = reservation.instances[0]
    _age(made, instance)
    before = list(backend.reservations.values())[:-1]
    if instance.joins_previous and before:
        # AWS answers instances that were launched together inside one reservation.
        before[-1].instances.append(made)
        del backend.reservations[reservation.id]
    return made


def _equip(
    backend: EC2Backend, made: MotoInstance, devices: Iterable[tuple[Attachment, Volume]], public_ip: str | None
) -> None:
    """Give moto's instance the world's disks, interface and elastic address in place of its own."""
    made.block_device_mapping = BlockDeviceMapping()
    for attachment, volume in devices:
        made.block_device_mapping[attachment.device] = BlockDeviceType(
            volume_id=volume.resource_id,
            status="attached",
            attach_time=attachment.attached_at.replace(tzinfo=None),
            delete_on_termination=attachment.goes_with_instance,
        )
    interface = made.nics[0]
    del backend.enis[interface.id]
    interface.id = instance_interface_id(made.id)
    backend.enis[interface.id] = interface
    if public_ip:
        interface.public_ip = public_ip


def _outfit(made: MotoInstance, shown: Output) -> None:
    """Give moto's instance what the world's has beside it: moto reads a member from the attribute of its name."""
    for name, value in shown.items():
        if name == "Monitoring":
            made.monitoring_state = value["State"]
        elif name == "Placement":
            for inner, held in value.items():
                if inner != "AvailabilityZone":
                    setattr(made.placement, camelcase_to_underscores(inner), held)
        else:
            setattr(made, camelcase_to_underscores(name), value)
    # Not of AWS: moto writes it as the text None.
    made.kernel_id = None


def _age(made: MotoInstance, instance: Instance) -> None:
    """Give moto's instance the past and the state of the world's."""
    launched: Any = instance.launched_at.replace(tzinfo=None)
    made.launch_time = launched
    for interface in made.nics.values():
        interface.attach_time = launched
    made._state = InstanceState(instance.state, STATES[instance.state])
    if instance.state != "running":
        made._reason = f"User initiated ({launched:%Y-%m-%d %H:%M:%S} GMT)"


# ---------------------------------------------------------------------- networks


class _Shared:
    """Of another account than that which lists it."""

    owner = ""

    @property
    def owner_id(self) -> str:
        return self.owner


class _SharedVpc(_Shared, VPC):
    """A VPC of another account."""


class _SharedSubnet(_Shared, MotoSubnet):
    """A subnet of another account."""


# moto declares these abstract, and makes them all the same.
_MAKE: dict[str, Any] = {
    "VPC": VPC,
    "Subnet": MotoSubnet,
    "SharedVPC": _SharedVpc,
    "SharedSubnet": _SharedSubnet,
    "SecurityGroup": SecurityGroup,
    "NetworkInterface": NetworkInterface,
    "FlowLogs": FlowLogs,
}


class _GroupRule(SecurityGroupRule):
    """A rule: moto's knows a description only of address ranges."""

    words: str | None = None

    @property
    def description(self) -> str | None:
        return self.words


def _own(backend: EC2Backend, rule: Any) -> None:
    """Give a rule the two fields that moto leaves out, by which a caller sees whose it is."""
    rule.group_owner_id = backend.account_id
    place = f"{backend.region_name}:{backend.account_id}"
    rule.security_group_rule_arn = f"arn:aws:ec2:{place}:security-group-rule/{rule.id}"


def _lay(backend: EC2Backend, place: Place) -> None:
    """Make moto hold a network beside the default one. Interfaces and flow logs come after what they name."""
    for vpc in place.vpcs:
        mock_random.seed(vpc.resource_id)
        made = _MAKE["VPC"](backend, vpc.resource_id, vpc.cidr, is_default=False)
        backend.vpcs[vpc.resource_id] = made
        backend.create_route_table(vpc.resource_id, main=True)
        backend.create_network_acl(vpc.resource_id, default=True)
        made.add_tags(vpc.tags)
    for subnet in place.subnets:
        _lay_subnet(backend, subnet)
    for group in place.groups:
        _lay_group(backend, group)
    for interface in place.interfaces:
        _lay_interface(backend, interface)
    for log in place.flow_logs:
        _lay_flow_log(backend, log)


def _lay_shared(backend: EC2Backend, place: Place) -> None:
    """Show VPCs and subnets of other accounts, under their owners."""
    for vpc in place.vpcs:
        made_vpc = _MAKE["SharedVPC"](backend, vpc.resource_id, vpc.cidr, is_default=False)
        made_vpc.owner = vpc.account_id
        backend.vpcs[vpc.resource_id] = made_vpc
    for subnet in place.subnets:
        zone = _zone(subnet.zone, subnet.region)
        options = {"default_for_az": False, "map_public_ip_on_launch": False}
        made_subnet = _MAKE["SharedSubnet"](
            backend, subnet.resource_id, subnet.vpc_id, subnet.cidr, None, zone, **options
        )
        made_subnet.owner = subnet.account_id
        backend.subnets[subnet.zone][subnet.resource_id] = made_subnet


def _zone(name: str, region: str) -> Zone:
    """The zone of moto, or one like it where moto's region has no zone of that letter."""
    known = {zone.name: zone for zone in RegionsAndZonesBackend.zones.get(region, [])}
    return known.get(name) or Zone(name, region, f"{region}-az{name[-1]}")


def _lay_subnet(backend: EC2Backend, subnet: Subnet) -> None:
    zone = _zone(subnet.zone, subnet.region)
    made = _MAKE["Subnet"](
        backend,
        subnet.resource_id,
        subnet.vpc_id,
        subnet.cidr,
        None,
        zone,
        default_for_az=False,
        map_public_ip_on_launch=False,
    )
    mock_random.seed(subnet.resource_id)
    backend.associate_default_network_acl_with_subnet(subnet.resource_id, subnet.vpc_id)
    backend.subnets[subnet.zone][subnet.resource_id] = made
    made.add_tags(subnet.tags)


def _lay_group(backend: EC2Backend, group: Group) -> None:
    made = _MAKE["SecurityGroup"](
        backend,
        group.resource_id,
        group.name,
        group.description,
        vpc_id=group.vpc_id,
        tags=group.tags,
        is_default=group.is_default,
    )
    made.egress_rules = []
    for rule in group.rules:
        made_rule = _lay_rule(backend, group, rule)
        (made.egress_rules if rule.is_egress else made.ingress_rules).append(made_rule)
    backend.groups[group.vpc_id][group.resource_id] = made


def _lay_rule(backend: EC2Backend, group: Group, rule: Rule) -> _GroupRule:
    described = {"Description": rule.description} if rule.description else {}
    ranges = {"CidrIp": rule.cidr_ipv4, "CidrIpv6": rule.cidr_ipv6}
    address = {name: value for name, value in ranges.items() if value}
    pair: dict[str, str] = {}
    if rule.group_id and rule.group_account_id:
        pair = {"GroupId": rule.group_id, "UserId": rule.group_account_id, **described}
        if rule.group_account_id != group.account_id:
            # AWS names the peering of a group in another account, and whether it still stands.
            pair |= {"VpcPeeringConnectionId": f"pcx-{rule.rule_id[4:]}", "PeeringStatus": "active"}
    made = _GroupRule(
        backend,
        rule.protocol,
        group.resource_id,
        None if rule.from_port is None else str(rule.from_port),
        None if rule.to_port is None else str(rule.to_port),
        {**address, **described} if address else None,
        pair or None,
        {"PrefixListId": rule.prefix_list_id} if rule.prefix_list_id else None,
        is_egress=rule.is_egress,
    )
    made.id, made.words = rule.rule_id, rule.description
    _own(backend, made)
    return made


def _lay_interface(backend: EC2Backend, interface: Interface) -> None:
    mock_random.seed(interface.resource_id)
    made = _MAKE["NetworkInterface"](
        backend,
        interface.subnet_id,
        interface.address,
        group_ids=list(interface.group_ids),
        description=interface.description,
        ipv6_addresses=list(interface.ipv6),
    )
    made.private_ip_addresses += [
        {"Primary": False, "PrivateIpAddress": address}
        | ({"Association": {"PublicIp": public, "IpOwnerId": "amazon-elb"}} if public else {})
        for address, public in interface.secondary
    ]
    if not interface.group_ids:
        # moto would take the default group.
        made._group_set = []
    made.id = interface.resource_id
    made.requester_managed = interface.is_requester_managed
    made.interface_type, made.status = interface.interface_type, "in-use"
    made.add_tags(interface.tags)
    backend.enis[made.id] = made


def _lay_flow_log(backend: EC2Backend, log: FlowLog) -> None:
    is_bucket = log.destination_type == "s3"
    made = _MAKE["FlowLogs"](
        backend,
        log.resource_id,
        log.target_id,
        log.traffic_type,
        log.destination if is_bucket else None,
        None if is_bucket else log.destination,
        None if is_bucket else f"arn:aws:iam::{log.account_id}:role/flow-logs",
        600,
        log.destination_type,
        "${version} ${account-id} ${interface-id} ${action} ${log-status}",
        log.delivery,
        "Access error" if log.delivery == "FAILED" else None,
    )
    made.creation_time = EPOCH.replace(tzinfo=None)
    made.add_tags(log.tags)
    backend.flow_logs[log.resource_id] = made
