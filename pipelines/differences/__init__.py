"""What differs between two published runs: items, rules, cost and coverage."""
