"""Names of the demo's faults, by the expected outcome. Nothing else, since shell completion loads this module."""

REFUSED = ("silent_zero", "denied", "same_account_twice", "expired", "throttle_forever")
SURVIVED = ("empty_page", "throttle")
FAULT_NAMES = REFUSED + SURVIVED
