-- Tags of functions, by lambda:ListTags. Not part of the public interface; read aws.lambda_function.
-- key: arn
-- arn: Amazon Resource Name of the function.
-- error_code: Lambda's error code in place of tags, such as AccessDeniedException; NULL where it gave them.
-- tags: Tags; an empty map where it has none, NULL where Lambda refused to tell.
select
    item.Resource as arn,
    item.ErrorCode as error_code,
    if(item.ErrorCode is null, coalesce(item.Tags, map([]::varchar[], []::varchar[])), null) as tags,
    cell.*
from landing('lambda_function_tag', 'STRUCT(Resource VARCHAR, ErrorCode VARCHAR, Tags MAP(VARCHAR, VARCHAR))')
