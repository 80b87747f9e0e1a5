-- One row per key pair. AWS keeps the public half alone; the private half is with whoever made it.
-- key: arn
-- resource: id=key_pair_id created=created_at attributes=key_name, key_type, fingerprint
-- arn: Amazon Resource Name, built from account, region and id, as the tagging API writes it; policies of IAM name it by its name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- key_pair_id: Id, such as key-0123456789abcdef0. Another one where a key is made anew under its name.
-- key_name: Its own name, by which instances name it.
-- name: Value of the tag Name, else its own name.
-- key_type: rsa or ed25519.
-- fingerprint: Fingerprint of the key.
-- created_at: When it was made or imported, UTC; NULL where AWS does not report it.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'key-pair/' || item.KeyPairId) as arn,
    account_id,
    region,
    item.KeyPairId as key_pair_id,
    item.KeyName as key_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item.KeyName) as name,
    item.KeyType as key_type,
    item.KeyFingerprint as fingerprint,
    item.CreateTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_key_pair',
        'STRUCT(
        KeyPairId VARCHAR, KeyName VARCHAR, KeyType VARCHAR, KeyFingerprint VARCHAR, CreateTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
