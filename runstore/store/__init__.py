"""Objects in segments, tables and rows, one transaction for all of them.

`protocol` says what every engine promises, `lmdb` is the engine on disk, `memory` the reference, `directory` the place a store lives in.
Engines are imported from their own modules, so that a program pays only for what it uses.
"""
