-- One row per configuration item and per business service as ServiceNow takes it in through an import set: class, identifier,
-- attributes. What is retired stays, so that ServiceNow learns of it. Columns are called as in ServiceNow.
-- materialized: view
-- key: correlation_id
-- correlation_id: What identifies it: the ARN, or application:<name> for a business service. Coalesce on it.
-- sys_class_name: Class, by ref.resource_class, or ref.discovered_type for what no listing shows; cmdb_ci_service for a business service.
-- name: Its name; its own id where it has none.
-- object_id: The service's own id, such as i-0123456789abcdef0.
-- short_description: What the type is called.
-- install_status: Installed, Absent (a trusted response lacked it once) or Retired.
-- state: State in the service's own words; NULL where the type has none.
-- account_id: The AWS account, 12 digits; NULL for a business service, which may be in several.
-- account_name: Name of the account.
-- region: AWS region; NULL for a business service.
-- availability_zone: Availability zone; NULL where it stands in none.
-- environment: Environment; of a business service all of them, comma-separated; NULL where there is none.
-- business_service: Business service that it belongs to.
-- owned_by: Who owns it; NULL where nobody is known to.
-- cost_center: Cost centre that pays for it.
-- first_discovered: When it was first collected, UTC; NULL for a business service.
-- last_discovered: When it was last collected, UTC; NULL for a business service.
-- discovery_source: aws-org-cmdb.
-- attributes: Further attributes of the type, JSON.
select
    item.arn as correlation_id,
    coalesce(class.servicenow_class, other.servicenow_class, 'cmdb_ci_cmp_resource') as sys_class_name,
    coalesce(nullif(trim(item.name), ''), item.resource_id) as name,
    item.resource_id as object_id,
    coalesce(class.label, other.label, item.resource_type) as short_description,
    case item.status when 'active' then 'Installed' when 'missing' then 'Absent' else 'Retired' end
        as install_status,
    item.state,
    item.account_id,
    account.account_name,
    item.region,
    item.availability_zone,
    item.environment,
    item.business_service,
    item.business_owner as owned_by,
    item.cost_centre as cost_center,
    item.first_seen_at as first_discovered,
    item.last_seen_at as last_discovered,
    'aws-org-cmdb' as discovery_source,
    item.attributes
from cmdb.resource as item
left join ref.resource_class as class on item.resource_type = class.resource_type
left join ref.discovered_type as other on item.resource_type = other.resource_type
left join org.account as account on item.account_id = account.account_id
union all
select
    'application:' || app.business_service as correlation_id,
    'cmdb_ci_service' as sys_class_name,
    app.business_service as name,
    app.business_service as object_id,
    'Business service' as short_description,
    'Installed' as install_status,
    null as state,
    null as account_id,
    null as account_name,
    null as region,
    null as availability_zone,
    -- Of an empty list DuckDB 1.4 makes NULL, later ones an empty text.
    nullif(array_to_string(app.environments, ', '), '') as environment,
    app.business_service,
    app.owner as owned_by,
    null as cost_center,
    null as first_discovered,
    null as last_discovered,
    'aws-org-cmdb' as discovery_source,
    to_json({
        'resource_count': app.resource_count,
        'cost_month': app.cost_month,
        'monthly_cost': app.monthly_cost::varchar,
        'currency': app.currency
    }) as attributes
from cmdb.application as app
union all
-- A service that nothing carries any more.
select
    former.from_arn as correlation_id,
    'cmdb_ci_service' as sys_class_name,
    substr(former.from_arn, length('application:') + 1) as name,
    substr(former.from_arn, length('application:') + 1) as object_id,
    'Business service' as short_description,
    'Retired' as install_status,
    null as state,
    null as account_id,
    null as account_name,
    null as region,
    null as availability_zone,
    null as environment,
    substr(former.from_arn, length('application:') + 1) as business_service,
    null as owned_by,
    null as cost_center,
    null as first_discovered,
    null as last_discovered,
    'aws-org-cmdb' as discovery_source,
    null as attributes
from cmdb.relationship as former
left join cmdb.application as app on former.from_arn = 'application:' || app.business_service
where former.from_resource_type = 'Application' and app.business_service is null
group by former.from_arn
-- Where the tags of an item cannot be read, its service may be there.
having bool_and(former.ended_at is not null)
