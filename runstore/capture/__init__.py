"""Ways in: how the traffic and the records of other programs become runs."""
