"""Recordings: the calls of the tests of one module in a bundle that git keeps, a ref for each test."""
