"""The tap: sees every HTTP call of the clients in this process, one request at a time, and can answer in their place.

Above the socket, so that nothing is decrypted; below authentication and redirects, so that what is seen is what is sent. Standard library
alone: a program that is recorded imports nothing else for it.
"""
