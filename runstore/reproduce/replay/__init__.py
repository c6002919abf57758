"""Replay: a program's calls are answered from the store by request id, and nothing is sent."""
