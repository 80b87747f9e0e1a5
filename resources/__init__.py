"""How the product reaches the outside: AWS through four named roles, and DuckDB.

Knows nothing of the pipeline: what is collected, and what must hold, lives in `pipelines`.
"""
