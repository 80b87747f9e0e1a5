"""Errors of the object store, as sentences."""

EXTRA = "pip install 'aws-org-cmdb[scaleout]'"


class ObjectStoreError(Exception):
    """The object store cannot be used: the message says why, and what to do.

    Attributes:
        exit_code: 2 where a setting or the installation has to change, else 1.
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class ObjectMissing(ObjectStoreError):
    """There is no object of this name."""
