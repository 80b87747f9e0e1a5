"""SQL files as assets: how a query becomes a table, its checks and its lineage."""
