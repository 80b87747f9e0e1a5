"""What AWS refuses of a request that its role may send: numbers out of bounds, filters nobody knows here, a dry run."""

from __future__ import annotations

from simulator.wire import AwsError, Call, input_bounds

DOCUMENTED = {
    ("ec2", "MaxResults"): (5, 1000),
    ("rds", "MaxRecords"): (20, 100),
    ("resourcegroupstaggingapi", "ResourcesPerPage"): (1, 100),
}
"""Bounds that AWS documents of a service's page sizes, where the operation's model has none."""

WITHOUT_FILTERS = frozenset({"rds"})
"""Services of which the simulator answers every listing whole: a filter would be left out of account in silence."""

REFUSALS = {
    "ec2": "InvalidParameterValue",
    "rds": "InvalidParameterValue",
    "s3": "InvalidArgument",
    "organizations": "InvalidInputException",
    "budgets": "InvalidParameterException",
    "lambda": "InvalidParameterValueException",
    "resourcegroupstaggingapi": "InvalidParameterException",
    "resource-groups": "BadRequestException",
    "cloudtrail": "InvalidMaxResultsException",
}
"""The code with which a service refuses a parameter; `ValidationException` where none stands here."""


def check(call: Call) -> None:
    """Refuse what AWS would.

    Raises:
        AwsError: in the words of the service.
    """
    code = REFUSALS.get(call.service, "ValidationException")
    for name, value in call.parameters.items():
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        least, most = input_bounds(call.service, call.operation, name)
        if least is None and most is None:
            least, most = DOCUMENTED.get((call.service, name), (None, None))
        if least is not None and value < least:
            raise AwsError(code, f"Value ( {value} ) for parameter {name} is invalid. It is at least {least}.", 400)
        if most is not None and value > most:
            raise AwsError(code, f"Value ( {value} ) for parameter {name} is invalid. It is at most {most}.", 400)
    if call.service in WITHOUT_FILTERS and call.parameters.get("Filters"):
        raise AwsError(code, f"the simulated {call.operation} knows no Filters", 400)
    if call.service == "ec2" and call.parameters.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
