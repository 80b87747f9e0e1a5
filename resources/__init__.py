"""Access to the outside: AWS through four named roles, and DuckDB.

This package knows nothing of the pipeline: `pipelines` decides what is collected, and which rules must hold.
"""
