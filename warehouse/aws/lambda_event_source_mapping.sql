-- One row per event source mapping: what Lambda reads, a queue, a stream or a topic, to run a function.
-- key: arn
-- resource: id=event_source_mapping_id state=state attributes=function_arn, event_source_arn, batch_size,
--   last_processing_result, is_enabled
-- arn: Amazon Resource Name, built from account, region and id where Lambda returns none.
-- account_id: The AWS account of the function: 12 digits, text because some begin with 0.
-- region: AWS region.
-- event_source_mapping_id: Id, a UUID.
-- function_arn: Function, version or alias that runs.
-- event_source_arn: What is read; NULL for Kafka outside of AWS.
-- state: Creating, Enabling, Enabled, Disabling, Disabled, Updating or Deleting.
-- state_reason: Why it has this state, in Lambda's words; NULL where there is none.
-- is_enabled: True where it is Enabled or on its way there.
-- batch_size: Largest number of records of one invocation.
-- last_processing_result: Outcome of the last invocation, in Lambda's words; NULL where there was none.
-- failure_destination_arn: What receives records that failed; NULL where nothing does.
-- modified_at: When it was changed or changed its state last, UTC.
-- name: The same as event_source_mapping_id, as every item has one.
select
    coalesce(
        item.EventSourceMappingArn,
        aws_arn('lambda', region, account_id, 'event-source-mapping:' || item.UUID)
    ) as arn,
    account_id,
    region,
    item.UUID as event_source_mapping_id,
    item.FunctionArn as function_arn,
    nullif(item.EventSourceArn, '') as event_source_arn,
    item.State as state,
    nullif(item.StateTransitionReason, '') as state_reason,
    item.State in ('Creating', 'Enabling', 'Enabled', 'Updating') as is_enabled,
    item.BatchSize as batch_size,
    nullif(item.LastProcessingResult, '') as last_processing_result,
    nullif(item.DestinationConfig.OnFailure.Destination, '') as failure_destination_arn,
    item.LastModified as modified_at,
    item.UUID as name,
    cell.*
from landing(
        'lambda_event_source_mapping',
        'STRUCT(
        EventSourceMappingArn VARCHAR, UUID VARCHAR, FunctionArn VARCHAR, EventSourceArn VARCHAR, State VARCHAR,
        StateTransitionReason VARCHAR, BatchSize BIGINT, LastProcessingResult VARCHAR,
        DestinationConfig STRUCT(OnFailure STRUCT(Destination VARCHAR)), LastModified TIMESTAMPTZ
    )'
    )
