"""Exceptions that more than one package of the pipelines uses."""

from resources.release import ProductFileError


class SqlFileError(ProductFileError):
    """A SQL file breaks the rules of its folder. The message names the file and what to write instead."""


class UnreadableQueryError(Exception):
    """A text is not one query that can be parsed. The message says why; who knows the file names it."""


class LandingError(LookupError):
    """Landed records are gone, or are not those that a step wrote. The message says which, and what to do."""
