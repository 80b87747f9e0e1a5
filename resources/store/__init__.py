"""The DuckDB files: the working file, its migrations, and what is published of it."""
