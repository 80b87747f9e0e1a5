-- One row per URL of a Lambda function or of one of its aliases: an address on the internet, whatever network the function is in.
-- materialized: full
-- key: arn, url
-- arn: Amazon Resource Name of the function, without an alias.
-- account_id: The AWS account that owns the function: 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Name of the function.
-- alias: Alias that the URL leads to; NULL where it leads to the newest version.
-- url: The URL, such as https://abc.lambda-url.eu-west-1.on.aws/.
-- auth_type: NONE: Lambda asks nobody who they are, and only the function's policy says who gets in. AWS_IAM: only signed requests get
--    in, of any AWS account that the policy admits.
-- invoke_mode: BUFFERED or RESPONSE_STREAM.
-- allowed_origins: Pages whose scripts browsers let request it: a limit for browsers alone. Empty where none is named.
-- created_at: When the URL was made, UTC.
-- modified_at: When it was last changed, UTC.
-- record: The whole record as AWS gave it, JSON. NULL where an earlier release collected the row and its
--    landed record is gone.
with listed as (
    select
        * exclude (urls, url_records, record),
        unnest(urls) as own,
        unnest(url_records) as record
    from stage.lambda_function_url
)

select
    arn,
    split_part(arn, ':', 5) as account_id,
    split_part(arn, ':', 4) as region,
    split_part(arn, ':', 7) as name,
    nullif(split_part(own.FunctionArn, ':', 8), '') as alias,
    own.FunctionUrl as url,
    own.AuthType as auth_type,
    own.InvokeMode as invoke_mode,
    coalesce(own.Cors.AllowOrigins, []) as allowed_origins,
    own.CreationTime as created_at,
    own.LastModifiedTime as modified_at,
    run_id,
    role,
    caller_account_id,
    cell_region,
    listing,
    collected_at,
    is_stale,
    record
from listed
