"""The lies that the demo can tell, by what has to come of them. Names only: the tab key offers them."""

REFUSED = ("silent_zero", "denied", "same_account_twice", "expired", "throttle_forever")
SURVIVED = ("empty_page", "throttle")
FAULT_NAMES = REFUSED + SURVIVED
