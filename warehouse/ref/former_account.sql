-- Accounts that left the organisation before this warehouse first listed it and that the bill still charges. Accounts
-- that left later are known from org.account. Read from former_account.csv in the organisation's own folder
-- (CMDB_REFERENCE); without that file there is none.
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
-- left_date: When it left, as far as people know.
-- note: Why, and who states it.
select
    account_id,
    left_date,
    note
from
    read_csv(
        getvariable('reference_files')['former_account'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = { 'account_id': 'VARCHAR', 'left_date': 'DATE', 'note': 'VARCHAR' }
    )
-- A line of nothing but commas keeps a place free.
where account_id is not null
