"""What may be trusted, and what is refused otherwise.

Each rule is a pure function over evidence. The asset check shows the rule's result, the gate at the head of every gated
asset refuses by it, and publishing applies the rule again. No rule has a switch.
"""
