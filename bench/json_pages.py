"""What the fast JSON parser spares on large pages of Cost Explorer and CloudTrail, and on a small one.

    python -m bench.json_pages

Least CPU of 25 readings each: decoding alone, botocore's parser, the same behind the strict checks, and the fast one.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserFactory

from resources.aws.fast.parsers import FastParsers
from resources.aws.response_parsers import Parsers
from resources.aws.value_text import AS_TEXT

READINGS = 25
METRICS = ("UnblendedCost", "AmortizedCost", "UsageQuantity")


def pages() -> dict[tuple[str, str], dict[str, Any]]:
    """One page a call, of the size that an organisation of two thousand accounts brings."""
    amount = {"Amount": "12.3456789012", "Unit": "USD"}
    groups = [
        {"Keys": [f"{number:012d}", f"Service {number % 50}"], "Metrics": dict.fromkeys(METRICS, amount)}
        for number in range(1_500)
    ]
    month = {"TimePeriod": {"Start": "2026-11-01", "End": "2026-12-01"}, "Total": {}, "Groups": groups}
    arn = "arn:aws:sts::111122223333:assumed-role/CMDBReader/cmdb"
    detail = json.dumps(
        {"eventVersion": "1.09", "userIdentity": {"arn": arn}, "requestID": "r", "more": ["z" * 40] * 40}
    )
    events = [
        {
            "EventId": str(number),
            "EventName": "DescribeInstances",
            "ReadOnly": "true",
            "EventTime": 1_764_032_400 + number,
            "EventSource": "ec2.amazonaws.com",
            "Username": "cmdb",
            "Resources": [],
            "CloudTrailEvent": detail,
        }
        for number in range(50)
    ]
    accounts = [
        {"Id": f"{number:012d}", "Email": "a@example.com", "Name": f"n{number}", "JoinedTimestamp": 1_764_032_400.1}
        for number in range(20)
    ]
    return {
        ("ce", "GetCostAndUsage"): {"ResultsByTime": [{**month, "Estimated": False}]},
        ("cloudtrail", "LookupEvents"): {"Events": events, "NextToken": "t" * 400},
        ("organizations", "ListAccounts"): {"Accounts": accounts, "NextToken": "t" * 300},
    }


def least(work: Callable[[], Any]) -> float:
    """Milliseconds of CPU."""
    took = []
    for _ in range(READINGS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took) * 1000


def main() -> None:
    """Measure, and print a line a page."""
    plain = ResponseParserFactory()
    plain.set_parser_defaults(**AS_TEXT)
    parsers = {
        "botocore": plain.create_parser("json"),
        "strict": Parsers(**AS_TEXT).create_parser("json"),
        "fast": FastParsers(**AS_TEXT).create_parser("json"),
    }
    for (service, operation), page in pages().items():
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        shape = model.operation_model(operation).output_shape
        body = json.dumps(page).encode()
        context = {"operation_name": operation}
        response = {"headers": {"x-amzn-requestid": "q"}, "status_code": 200, "context": context, "body": body}
        figures = {"decoding alone": least(partial(json.loads, body))} | {
            name: least(partial(parser.parse, response, shape)) for name, parser in parsers.items()
        }
        told = ", ".join(f"{name} {milliseconds:.2f} ms" for name, milliseconds in figures.items())
        print(f"{service}:{operation}, {len(body) / 1000:.0f} kB: {told}")


if __name__ == "__main__":
    main()
