"""The operator's own object store: S3, or what speaks its protocol. Nothing of the organisation is requested here."""
