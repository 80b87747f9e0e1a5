"""Prints the memory after 20, 40 and 240 accounts of the AWS config were asked. Usage: memory_of_accounts.py"""

from __future__ import annotations

import gc

import psutil
from test_fanout import HASTE, REGIONS, question

from resources.aws.client import AwsClient
from resources.aws.dispatch import fetch_all

reach = AwsClient("workload", home_region=REGIONS[0], concurrency=16, retry=HASTE)
process = psutil.Process()
sizes: list[int] = []


def ask(first: int, count: int) -> None:
    accounts = range(first, first + count)
    questions = [question(f"p-{n}", f"{n:012}", region) for n in accounts for region in REGIONS]
    fetch_all({reach.role: reach}, questions, lambda answer: None)
    gc.collect()
    sizes.append(process.memory_info().rss)


ask(0, 20)
ask(20, 20)
ask(40, 200)
print(*sizes)
