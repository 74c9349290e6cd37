"""Clients of the social networks: plain Python, without models or Django settings."""
