-- URLs of each function, by lambda:ListFunctionUrlConfigs. Not part of the public interface; read aws.lambda_function_url.
-- key: arn
-- arn: Amazon Resource Name of the function.
-- error_code: Lambda's error code in place of URLs, such as AccessDeniedException; NULL where it gave them.
-- url_records: The whole record of each of them, JSON, in the same order.
-- urls: URLs of the function and its aliases; empty where it has none, NULL where Lambda refused to tell.
select
    item.FunctionName as arn,
    item.ErrorCode as error_code,
    if(
        item.ErrorCode is null,
        -- A record is a page.
        flatten(
            list(coalesce(item.FunctionUrlConfigs, [])) over (
                partition by cell.cell_region, item.FunctionName
            )
        ),
        null
    ) as urls,
    flatten(
        list(coalesce(cell.record -> '$.FunctionUrlConfigs[*]', [])) over (
            partition by cell.cell_region, item.FunctionName
        )
    ) as url_records,
    cell.*
from landing(
        'lambda_function_url',
        'STRUCT(
        FunctionName VARCHAR, ErrorCode VARCHAR,
        FunctionUrlConfigs STRUCT(
            FunctionUrl VARCHAR, FunctionArn VARCHAR, AuthType VARCHAR, InvokeMode VARCHAR,
            CreationTime TIMESTAMPTZ, LastModifiedTime TIMESTAMPTZ, Cors STRUCT(AllowOrigins VARCHAR[])
        )[]
    )'
    )
qualify row_number() over (partition by cell.cell_region, item.FunctionName order by item.ErrorCode) = 1
