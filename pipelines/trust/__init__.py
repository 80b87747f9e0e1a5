"""What may be believed, and what is refused where it may not.

Each rule is a pure function over evidence and has three askers: the asset check shows it, the gate at the head of every
gated asset refuses by it, and publishing asks it once more. None of them has a switch.
"""
