"""The collection: which requests a run sends, what AWS responds, and which responses are trusted."""
