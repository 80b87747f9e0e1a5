"""Collecting: which requests a run sends, what comes back, and what of it is trusted."""
