"""Publishes the built dataset and removes old data."""
