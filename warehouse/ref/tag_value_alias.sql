-- Other spellings of a tag's values, and the one that counts. Values without an entry stand for themselves. Read from
-- tag_value_alias.csv in the organisation's own folder (CMDB_REFERENCE), owned by those who govern tagging; without that
-- file every value stands for itself.
-- key: tag_key, alias
-- tag_key: The key, as in ref.tag_key.
-- alias: The value as somebody wrote it; capitals count.
-- tag_value: The value that it means.
select
    tag_key,
    alias,
    tag_value
from
    read_csv(
        getvariable('reference_files')['tag_value_alias'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = { 'tag_key': 'VARCHAR', 'alias': 'VARCHAR', 'tag_value': 'VARCHAR' }
    )
-- A line of nothing but commas keeps a place free.
where tag_key is not null
