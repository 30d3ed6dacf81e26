"""One command regenerates every figure that the documentation quotes."""
