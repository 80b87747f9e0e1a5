-- What may be spent, month by month, by the value of a tag. Read from budget.csv in the organisation's own
-- folder (CMDB_REFERENCE), owned by finance; without that file there is no budget.
-- key: scope, budget_name, month
-- scope: The tag key whose values have budgets, such as bc:cost-centre.
-- budget_name: The value of the tag, such as a cost centre; another spelling of ref.tag_value_alias is added to the value that it means.
-- month: First day of the month.
-- amount: What may be spent in the month, in the currency beside it.
-- currency: Currency of the amount, ISO 4217.
-- fiscal_year: The financial year that the month belongs to, as people call it.
-- source: Who states it; example in the demo's file.
select
    scope,
    budget_name,
    "month",
    amount,
    currency,
    fiscal_year,
    source
from
    read_csv(
        getvariable('reference_files')['budget'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = {
            'scope': 'VARCHAR',
            'budget_name': 'VARCHAR',
            'month': 'DATE',
            'amount': 'DECIMAL(28, 10)',
            'currency': 'VARCHAR',
            'fiscal_year': 'VARCHAR',
            'source': 'VARCHAR'
        }
    )
-- A line of nothing but commas keeps a place free.
where scope is not null
