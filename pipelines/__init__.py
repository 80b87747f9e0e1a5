"""The product's pipelines: collection from AWS, models, checks, publishing, report and command line."""
