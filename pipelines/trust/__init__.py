"""What may be trusted, and what is refused otherwise.

Each rule is a pure function over evidence and has three callers: the asset check shows its result, the gate at the head
of every gated asset refuses by it, and publishing applies it again. No rule has a switch.
"""
