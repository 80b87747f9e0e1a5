"""What must hold before anything is built or published, and the gate that asks for it."""
