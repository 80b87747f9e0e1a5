"""Charts as SVG, for the report and for the asset pages in Dagster."""
