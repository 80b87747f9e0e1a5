"""What is collected, and what must hold before anyone may read it."""
