"""Runs in a store: composition, recording, the derived tables, views, completeness."""
