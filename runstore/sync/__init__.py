"""Exchange between stores: packs and bundles, the protocol, the border where objects come in, and the transports.

A peer is never believed: whatever comes from one goes through `receive`. Nothing here reads a clock or the environment.
Source: docs/spec/pack.md, docs/spec/bundle.md, docs/spec/protocol.md.
"""
