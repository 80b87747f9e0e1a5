"""The DuckDB files: the working file, its migrations, and the versions published from it."""
