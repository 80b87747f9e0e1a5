"""The page to explore the published dataset with: static files, and a server for this machine alone."""
