"""Generators of the pages in docs/ that are written from code."""
