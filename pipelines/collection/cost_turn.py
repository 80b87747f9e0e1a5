"""What a run fetches of a closed month whose turn it is, where the day's limit has no room for the whole month."""

from collections.abc import Callable, Sequence

from pipelines.collection.closed_months import ClosedMonths
from pipelines.collection.cost_changes import Cell, CostChanges
from pipelines.collection.cost_limit import DayLimit
from pipelines.collection.cost_slices import ACCOUNT, Month, Slice


def part_of_turn(
    closed: ClosedMonths,
    changes: CostChanges,
    day: DayLimit,
    needed: Callable[[Slice, Month], int],
    compare: Callable[[Sequence[Cell]], None],
) -> list[Cell]:
    """What there is room for, of the first month in turn that has any; empty where none has.

    Its changed days come first, in all slices or in none, since these must agree with each other. Then come whole
    slices, then the days of a slice that were fetched longest ago: the largest may never have room for itself.

    Args:
        needed: the requests that a cell takes at least, as far as is known.
        compare: fetches the bill by account of a month, and has `changes` compare the cells with it.
    """
    tried: set[Month] = set()
    while cells := closed.in_turn(lambda _, month: month not in tried):
        month = cells[0][1]
        if day.left <= needed(ACCOUNT, month):
            break
        tried.add(month)
        compare(cells)
        chosen = [one for one in cells if not changes.is_unchanged(*one)]
        room = day.left - sum(needed(*one) for one in chosen)
        if room < 0:
            continue
        for one in cells:
            if one in chosen:
                continue
            if needed(*one) <= room:
                changes.whole(*one)
            elif not changes.longest_ago(*one, room):
                continue
            room -= needed(*one)
            chosen.append(one)
        if chosen:
            return chosen
    return []
