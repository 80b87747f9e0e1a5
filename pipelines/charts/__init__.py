"""Charts as SVG, for the report and for Dagster's pages."""
