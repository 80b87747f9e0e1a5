"""The evidence in the warehouse: runs, identities, cells and the results of rules."""
