"""The world, rendered into moto: lazily for each account and region, directly on moto's backends.

Through moto's API it would take more than ten times as long. A change of the world drops what was rendered;
the next call renders it again, with the same identifiers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any
from unittest import mock

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instances import Instance as MotoInstance
from moto.ec2.models.instances import InstanceState
from moto.moto_api._internal import mock_random

from simulator.world import Instance, World

STATES = {"running": 16, "stopped": 80, "terminated": 48}
IMAGE = "ami-0abcdef1234567890"

STATE_LOCK = threading.RLock()
"""Around everything that reads or changes the world or moto: neither is made for threads."""

KEPT = 300
"""Rendered accounts and regions at a time: about 0.6 MB each, so that 2,000 accounts fit."""


class Seeder:
    """Renders the instances of a world into moto, an account and region at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
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
            for instance in self.world.instances(account_id, region):
                # Each instance draws from its own seed, so that one that goes does not rename its neighbours.
                mock_random.seed(instance.instance_id)
                _run(backend, instance)
            self._done[key] = self.world.version
            self._done.move_to_end(key)
            while len(self._done) > KEPT:
                (old_account, old_region), _ = self._done.popitem(last=False)
                ec2_backends[old_account].pop(old_region, None)


def _run(backend: EC2Backend, instance: Instance) -> None:
    with mock.patch("moto.ec2.models.instances.random_instance_id", return_value=instance.instance_id):
        reservation = backend.run_instances(
            IMAGE,
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


def _age(made: MotoInstance, instance: Instance) -> None:
    """Give moto's instance the past and the state of the world's."""
    launched: Any = instance.launched_at.replace(tzinfo=None)
    made.launch_time = launched
    for block in made.block_device_mapping.values():
        block.attach_time = launched
    for interface in made.nics.values():
        interface.attach_time = launched
    made._state = InstanceState(instance.state, STATES[instance.state])
    if instance.state != "running":
        made._reason = f"User initiated ({launched:%Y-%m-%d %H:%M:%S} GMT)"
