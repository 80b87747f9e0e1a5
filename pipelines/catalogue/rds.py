"""RDS: databases, clusters and their snapshots."""

from types import MappingProxyType

from pipelines.catalogue.family import SELDOM
from pipelines.catalogue.names import DATABASE
from resources.aws.listing import Listing

RDS_PAGES = MappingProxyType({"MaxRecords": 100})

# The operations role has no permissions in RDS: if the hub account has databases, it needs a workload profile.
LISTINGS: tuple[Listing, ...] = (
    Listing(
        DATABASE,
        "rds:DescribeDBInstances",
        resource_type="AWS::RDS::DBInstance",
        roles=("workload",),
        # The bill is the witness for these four listings together, since the snapshots of a deleted database cost money
        # too.
        zero="witnessed",
        records="DBInstances",
        key=("DBInstanceArn",),
        owner="DBInstanceArn",
        parameters=RDS_PAGES,
        redact=("MasterUserPassword",),
    ),
    Listing(
        "rds_db_cluster",
        "rds:DescribeDBClusters",
        resource_type="AWS::RDS::DBCluster",
        roles=("workload",),
        zero="witnessed",
        records="DBClusters",
        key=("DBClusterArn",),
        owner="DBClusterArn",
        parameters={**RDS_PAGES, "IncludeShared": False},
        redact=("MasterUserPassword",),
    ),
    Listing(
        "rds_db_snapshot",
        "rds:DescribeDBSnapshots",
        resource_type="AWS::RDS::DBSnapshot",
        roles=("workload",),
        # Snapshots that are lost in silence would hide the remains of deleted databases.
        zero="witnessed",
        records="DBSnapshots",
        key=("DBSnapshotArn",),
        owner="DBSnapshotArn",
        parameters={**RDS_PAGES, "IncludeShared": False, "IncludePublic": False},
    ),
    Listing(
        "rds_db_cluster_snapshot",
        "rds:DescribeDBClusterSnapshots",
        resource_type="AWS::RDS::DBClusterSnapshot",
        roles=("workload",),
        zero="witnessed",
        records="DBClusterSnapshots",
        key=("DBClusterSnapshotArn",),
        owner="DBClusterSnapshotArn",
        parameters={**RDS_PAGES, "IncludeShared": False, "IncludePublic": False},
    ),
    Listing(
        "rds_db_subnet_group",
        "rds:DescribeDBSubnetGroups",
        resource_type="AWS::RDS::DBSubnetGroup",
        roles=("workload",),
        # An account without databases may have no subnet group; an empty response that is trusted wrongly would retire
        # all.
        zero="witnessed",
        records="DBSubnetGroups",
        key=("DBSubnetGroupArn",),
        owner="DBSubnetGroupArn",
        parameters=RDS_PAGES,
        every=SELDOM,
        arn_form="rds:subgrp:",
    ),
)
