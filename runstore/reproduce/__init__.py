"""Reproducing: what was recorded is sent again, answered from the store, compared, and narrowed to the change that mattered."""
