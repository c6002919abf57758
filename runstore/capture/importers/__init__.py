"""Importers: files of other programs become runs. Importing twice, or into another store, gives the same ids."""
