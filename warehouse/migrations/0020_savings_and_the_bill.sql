-- What a finding saves by usage type, so that it can be held against the bill, and all savings in the reporting currency.

alter table cmdb.decommission_signal
add column saved_usage struct(arn varchar, "usage" varchar, amount decimal(28, 10))[];

alter table cmdb.decommission_signal add column reporting_monthly_saving decimal(28, 10);

alter table cmdb.decommission_signal add column reporting_currency varchar;

alter table cost.saving add column list_saving decimal(28, 10);

alter table cost.saving add column measured_saving decimal(28, 10);

alter table cost.saving add column capped_saving decimal(28, 10);

alter table cost.saving add column limited_by varchar;

alter table cost.saving add column unknown_reason varchar;

alter table cost.saving add column reporting_identified decimal(28, 10);

alter table cost.saving add column reporting_accepted decimal(28, 10);

alter table cost.saving add column reporting_realised decimal(28, 10);

alter table cost.saving add column reporting_currency varchar;
