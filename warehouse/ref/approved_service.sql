-- AWS services that may have trusted access to the organisation or a delegated administrator, and the domain that
-- answers for each. Read from approved_service.csv in the organisation's own folder (CMDB_REFERENCE), owned by those who
-- govern the organisation; without that file nobody has approved or refused any, and no figure is judged by it.
-- key: service_principal
-- service_principal: The service, such as guardduty.amazonaws.com.
-- domain: Who answers for it: security, finance, network or operations.
-- purpose: What the organisation uses it for.
select
    service_principal,
    domain,
    purpose
from
    read_csv(
        getvariable('reference_files')['approved_service'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = { 'service_principal': 'VARCHAR', 'domain': 'VARCHAR', 'purpose': 'VARCHAR' }
    )
-- A line of nothing but commas keeps a place free.
where service_principal is not null
