-- Other spellings of a tag's values, and the one that counts. Values without an entry stand for themselves. Seed:
-- warehouse/ref/tag_value_alias.csv, owned by those who govern tagging.
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
        getvariable('ref_folder') || '/tag_value_alias.csv',
        header = true,
        columns = { 'tag_key': 'VARCHAR', 'alias': 'VARCHAR', 'tag_value': 'VARCHAR' }
    )
