"""Publishing what was built, and forgetting what is old."""
