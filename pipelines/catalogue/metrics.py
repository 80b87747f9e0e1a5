"""The listing of CloudWatch metrics of the resources in other listings."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import ACCOUNT, DATABASE, FUNCTION, INSTANCE, METRIC
from resources.aws.listing import Each, Listing


@dataclass(frozen=True)
class Measured:
    """The CloudWatch metrics that are requested for the resources of one listing.

    Attributes:
        namespace: CloudWatch's namespace of the metrics.
        dimension: the dimension that names a resource.
        field: field of the listing's records with the dimension's value.
        metrics: the statistics to request for each metric, besides the number of samples.
        state_field: field of the records with the resource's state; empty where the listing has none.
    """

    namespace: str
    dimension: str
    field: str
    metrics: Mapping[str, tuple[str, ...]]
    state_field: str = ""


MEASURED: Mapping[str, Measured] = MappingProxyType(
    {
        INSTANCE: Measured(
            "AWS/EC2",
            "InstanceId",
            "InstanceId",
            {"CPUUtilization": ("Average", "Maximum"), "NetworkIn": ("Sum",), "NetworkOut": ("Sum",)},
            state_field="State",
        ),
        # The listing returns Neptune and DocumentDB instances too, but their metrics have namespaces of their own.
        DATABASE: Measured(
            "AWS/RDS", "DBInstanceIdentifier", "DBInstanceIdentifier", {"DatabaseConnections": ("Maximum",)}
        ),
        FUNCTION: Measured("AWS/Lambda", "FunctionName", "FunctionName", {"Invocations": ("Sum",)}),
    }
)
"""The metrics that distinguish an idle resource from a busy one, by the listing of the resources."""

METRICS = Family(
    name="metric",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            METRIC,
            "cloudwatch:GetMetricData",
            roles=("operations", "workload"),
            # CloudWatch returns a result for every query, also one without data points.
            zero="impossible",
            records="MetricDataResults",
            # CloudWatch may split one result over several pages: each piece has days of its own.
            key=("Label", "Timestamps", "StatusCode"),
            echo=("StartTime", "EndTime"),
            parameters={"ScanBy": "TimestampAscending"},
            each=Each("MetricDataQueries", of=tuple(MEASURED), in_one_cell=True),
        ),
    ),
)
