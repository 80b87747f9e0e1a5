-- One row per certificate authority of RDS in a region, as an account that has databases there sees it: a database's
-- certificate is signed by one, and clients that check it fail when it ends. The certificates themselves are AWS's, the same
-- for all.
-- key: arn
-- arn: Amazon Resource Name with the account that lists it; AWS's own names none.
-- account_id: The AWS account that lists it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- certificate_name: Name, such as rds-ca-rsa2048-g1.
-- certificate_type: CA.
-- thumbprint: Its fingerprint.
-- valid_from: When it begins, UTC.
-- valid_until: When it ends, UTC.
-- is_default_override: True where the account chose it for its new databases.
-- override_valid_until: When that choice ends, UTC; NULL where there is none.
select
    aws_arn('rds', region, account_id, 'cert:' || item.CertificateIdentifier) as arn,
    account_id,
    region,
    item.CertificateIdentifier as certificate_name,
    item.CertificateType as certificate_type,
    item.Thumbprint as thumbprint,
    item.ValidFrom as valid_from,
    item.ValidTill as valid_until,
    coalesce(item.CustomerOverride, false) as is_default_override,
    item.CustomerOverrideValidTill as override_valid_until,
    cell.*
from landing(
        'rds_certificate',
        'STRUCT(
        CertificateIdentifier VARCHAR, CertificateType VARCHAR, Thumbprint VARCHAR, ValidFrom TIMESTAMPTZ,
        ValidTill TIMESTAMPTZ, CustomerOverride BOOLEAN, CustomerOverrideValidTill TIMESTAMPTZ
    )'
    )
