"""What CloudWatch is asked about the resources of other listings."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import ACCOUNT, DATABASE, FUNCTION, INSTANCE, METRIC
from resources.aws.listing import Each, Listing


@dataclass(frozen=True)
class Measured:
    """What CloudWatch is asked about the resources of a listing.

    Attributes:
        namespace: CloudWatch's namespace of their metrics.
        dimension: the dimension that names a resource.
        field: field of the listing's records with the dimension's value.
        metrics: the statistics asked of each metric, beside the number of samples.
    """

    namespace: str
    dimension: str
    field: str
    metrics: Mapping[str, tuple[str, ...]]


MEASURED: Mapping[str, Measured] = MappingProxyType(
    {
        INSTANCE: Measured(
            "AWS/EC2",
            "InstanceId",
            "InstanceId",
            {"CPUUtilization": ("Average", "Maximum"), "NetworkIn": ("Sum",), "NetworkOut": ("Sum",)},
        ),
        # Neptune and DocumentDB answer the same listing, but send their metrics to namespaces of their own.
        DATABASE: Measured(
            "AWS/RDS", "DBInstanceIdentifier", "DBInstanceIdentifier", {"DatabaseConnections": ("Maximum",)}
        ),
        FUNCTION: Measured("AWS/Lambda", "FunctionName", "FunctionName", {"Invocations": ("Sum",)}),
    }
)
"""The metrics that tell an idle resource from a busy one, by the listing of the resources."""

METRICS = Family(
    name="metric",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            METRIC,
            "cloudwatch:GetMetricData",
            roles=("operations", "workload"),
            # Every query has its result, if one without a point.
            zero="impossible",
            records="MetricDataResults",
            # One result may come in pieces, on several pages: each has its own days.
            key=("Label", "Timestamps", "StatusCode"),
            echo=("StartTime", "EndTime"),
            parameters={"ScanBy": "TimestampAscending"},
            each=Each("MetricDataQueries", of=tuple(MEASURED), in_one_cell=True),
        ),
    ),
)
