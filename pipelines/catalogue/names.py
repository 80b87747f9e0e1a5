"""Names of the listings that other modules refer to."""

ACCOUNT = "organizations_account"
"""The listing of the organisation's accounts: while it is not trusted, every other asset is blocked."""

REGION = "ec2_region"
"""The listing of the regions that an account has enabled."""

COST_DAILY = "cost_daily"

COST_TAG_SERVICE = "cost_tag_service_daily"

COST_MONTHLY = "cost_monthly"

COST_ACCOUNT = "cost_account_daily"
"""The daily bill by account alone: what the stored slices are compared with."""

COST_RESOURCE = "cost_resource_daily"

COST_TAG = "cost_allocation_tag"

COST_TAG_BACKFILL = "cost_tag_backfill"

COST_EXPORT = "cost_export"
"""The lines of the bill that AWS Data Exports delivers to a bucket."""

COST_BY_MONTH = (COST_DAILY, COST_TAG_SERVICE, COST_MONTHLY, COST_ACCOUNT)
"""The bill's listings that are requested by slice and month, and the listing of the monthly totals."""

INSTANCE = "ec2_instance"

DATABASE = "rds_db_instance"

BUCKET = "s3_bucket"

FUNCTION = "lambda_function"

METRIC = "cloudwatch_metric"

EXPLORER = "explorer_resource"
"""What a view of Resource Explorer shows of all accounts."""
