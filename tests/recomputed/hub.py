"""What the aggregators of AWS Config know and collection did not see."""

from __future__ import annotations

from recomputed.figures import Figures, Row, recomputes
from recomputed.world import World


@recomputes("cmdb.aggregator_unseen")
def aggregator_unseen(world: World) -> Figures:
    """What Config knows and no listing showed, of accounts that are asked."""
    rows: list[Row] = [
        {"arn": arn, "account_id": arn.split(":")[4], "region": arn.split(":")[3]}
        for arn in world.truth["config_unseen_arns"]
        if arn.split(":")[4] in world.collected
    ]
    return Figures(("arn",), rows)
