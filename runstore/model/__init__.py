"""The pure layer: what an object is, bit for bit. No I/O, clock, randomness or environment."""
