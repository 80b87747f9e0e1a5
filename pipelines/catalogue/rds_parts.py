"""RDS: endpoints, backups, copies and capacity of databases and clusters, and until when AWS supports their engines.

Most are requested only where there is a database or a cluster, since there are none without: `Each` without a
parameter.
"""

from types import MappingProxyType

from pipelines.catalogue.family import RARELY, SELDOM, Family
from pipelines.catalogue.names import ACCOUNT, DATABASE
from pipelines.catalogue.rds import RDS_PAGES
from resources.aws.listing import Each, Listing

NOT_OFFERED = MappingProxyType({"InvalidAction": "not_offered"})
"""How RDS refuses a call in a region that does not have it yet."""

LISTINGS: tuple[Listing, ...] = (
    Listing(
        "rds_global_cluster",
        "rds:DescribeGlobalClusters",
        resource_type="AWS::RDS::GlobalCluster",
        roles=("workload",),
        zero="witnessed",
        records="GlobalClusters",
        key=("GlobalClusterArn",),
        owner="GlobalClusterArn",
        parameters=RDS_PAGES,
        every=SELDOM,
        arn_form="rds:global-cluster:",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_db_cluster_endpoint",
        "rds:DescribeDBClusterEndpoints",
        roles=("workload",),
        zero="ordinary",
        records="DBClusterEndpoints",
        key=("DBClusterIdentifier", "EndpointType", "Endpoint"),
        parameters=RDS_PAGES,
        each=Each("", of=("rds_db_cluster",), field="DBClusterArn", is_by_parent=True),
        every=RARELY,
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_db_proxy_endpoint",
        "rds:DescribeDBProxyEndpoints",
        resource_type="AWS::RDS::DBProxyEndpoint",
        roles=("workload",),
        zero="witnessed",
        records="DBProxyEndpoints",
        key=("DBProxyEndpointArn",),
        owner="DBProxyEndpointArn",
        parameters=RDS_PAGES,
        each=Each("", of=("rds_db_proxy",), field="DBProxyArn"),
        every=RARELY,
        arn_form="rds:db-proxy-endpoint:",
    ),
    Listing(
        "rds_db_instance_automated_backup",
        "rds:DescribeDBInstanceAutomatedBackups",
        resource_type="AWS::RDS::DBInstanceAutomatedBackup",
        roles=("workload",),
        # They may outlive their databases, so they are requested where there is none, too.
        zero="witnessed",
        records="DBInstanceAutomatedBackups",
        key=("DBInstanceAutomatedBackupsArn",),
        owner="DBInstanceAutomatedBackupsArn",
        parameters=RDS_PAGES,
        every=SELDOM,
        arn_form="rds:auto-backup:",
    ),
    Listing(
        "rds_db_cluster_automated_backup",
        "rds:DescribeDBClusterAutomatedBackups",
        resource_type="AWS::RDS::DBClusterAutomatedBackup",
        roles=("workload",),
        zero="witnessed",
        records="DBClusterAutomatedBackups",
        key=("DBClusterAutomatedBackupsArn",),
        owner="DBClusterAutomatedBackupsArn",
        parameters=RDS_PAGES,
        every=SELDOM,
        arn_form="rds:cluster-auto-backup:",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_db_capacity_reservation",
        "rds:DescribeDBCapacityReservations",
        resource_type="AWS::RDS::DBCapacityReservation",
        roles=("workload",),
        zero="witnessed",
        records="DBCapacityReservations",
        key=("DBCapacityReservationArn",),
        owner="DBCapacityReservationArn",
        parameters=RDS_PAGES,
        every=SELDOM,
        arn_form="rds:capacity-reservation:",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_db_shard_group",
        "rds:DescribeDBShardGroups",
        resource_type="AWS::RDS::DBShardGroup",
        roles=("workload",),
        zero="witnessed",
        records="DBShardGroups",
        key=("DBShardGroupArn",),
        owner="DBShardGroupArn",
        parameters=RDS_PAGES,
        each=Each("", of=("rds_db_cluster",), field="DBClusterArn"),
        every=RARELY,
        arn_form="rds:shard-group:",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_integration",
        "rds:DescribeIntegrations",
        resource_type="AWS::RDS::Integration",
        roles=("workload",),
        zero="witnessed",
        records="Integrations",
        key=("IntegrationArn",),
        owner="IntegrationArn",
        parameters=RDS_PAGES,
        each=Each("", of=(DATABASE, "rds_db_cluster"), field="Engine"),
        every=RARELY,
        arn_form="rds:integration:",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_tenant_database",
        "rds:DescribeTenantDatabases",
        resource_type="AWS::RDS::TenantDatabase",
        roles=("workload",),
        zero="witnessed",
        records="TenantDatabases",
        key=("TenantDatabaseARN",),
        owner="TenantDatabaseARN",
        parameters=RDS_PAGES,
        each=Each("", of=(DATABASE,), field="DBInstanceArn"),
        every=RARELY,
        arn_form="rds:tenant-database:",
        skip_codes=NOT_OFFERED,
        redact=("MasterUserPassword",),
    ),
    Listing(
        "rds_db_recommendation",
        "rds:DescribeDBRecommendations",
        roles=("workload",),
        zero="ordinary",
        records="DBRecommendations",
        key=("RecommendationId",),
        owner="ResourceArn",
        parameters=RDS_PAGES,
        each=Each("", of=(DATABASE, "rds_db_cluster"), field="Engine"),
        every=SELDOM,
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "rds_certificate",
        "rds:DescribeCertificates",
        roles=("workload",),
        # AWS's own, but for the one that an account chose for its new databases. They are of interest where somebody's
        # database is signed by one.
        zero="impossible",
        records="Certificates",
        key=("CertificateIdentifier",),
        parameters=RDS_PAGES,
        each=Each("", of=(DATABASE,), field="DBInstanceArn"),
        every=RARELY,
    ),
)

SHARED = Family(
    name="offer",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            "rds_db_major_engine_version",
            "rds:DescribeDBMajorEngineVersions",
            roles=("workload",),
            # AWS's own: those of the engines that are in use.
            zero="ordinary",
            records="DBMajorEngineVersions",
            key=("Engine", "MajorEngineVersion"),
            parameters=RDS_PAGES,
            each=Each("Engine", of=(DATABASE, "rds_db_cluster"), field="Engine"),
            is_shared=True,
            skip_codes={**NOT_OFFERED, "InvalidParameterValue": "not_offered"},
        ),
    ),
)
