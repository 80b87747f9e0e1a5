"""The evidence in the warehouse: runs, identities, cells and check results."""
