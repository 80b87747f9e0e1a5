"""A quicker way for requests and answers than botocore's own, held to it by tests."""
