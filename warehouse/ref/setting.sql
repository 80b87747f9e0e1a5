-- The settings that figures are made with: one row.
-- key: reporting_currency
-- reporting_currency: The currency that people want to read money in, ISO 4217 (CMDB_CURRENCY).
select getvariable('reporting_currency')::varchar as reporting_currency
