"""Exceptions that more than one package of the pipeline knows."""

from resources.release import ProductFileError


class SqlFileError(ProductFileError):
    """A SQL file is not what its folder wants. The message names the file and what to write instead."""
