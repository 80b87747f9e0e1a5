"""Side-by-side measurements: a stub of AWS that answers at once, what is measured against it, and the verdict.

Nothing of the product imports this, and the stub and the raw loop import nothing of the product.
"""
