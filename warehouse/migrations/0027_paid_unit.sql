-- CloudWatch charges by the metric, not by the request: what a day's limit counts is a number of its own.
alter table audit.paid_request add column unit_count bigint;
update audit.paid_request set unit_count = request_count;
comment on column audit.paid_request.unit_count is
'What the limit of the day counts and AWS prices: requests of ce, metrics (each statistic) of cloudwatch.';
comment on column audit.paid_request.request_count is
'Requests sent, each page, retry and throttled one included.';
