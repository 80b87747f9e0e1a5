"""What is collected: a listing for each kind of thing in an account."""
