"""Names of listings that other modules speak of."""

ACCOUNT = "organizations_account"
"""The listing that says which accounts there are: untrusted, it blocks everything."""

REGION = "ec2_region"
"""The listing that says which regions an account has enabled."""

COST_DAILY = "cost_daily"

COST_TAG_SERVICE = "cost_tag_service_daily"

COST_MONTHLY = "cost_monthly"

COST_RESOURCE = "cost_resource_daily"

COST_TAG = "cost_allocation_tag"

COST_BY_MONTH = (COST_DAILY, COST_TAG_SERVICE, COST_MONTHLY)
"""The listings of the bill that are asked slice by slice and month by month, and the sum of its months."""

INSTANCE = "ec2_instance"

DATABASE = "rds_db_instance"

BUCKET = "s3_bucket"

FUNCTION = "lambda_function"

METRIC = "cloudwatch_metric"
