"""Snapchat: stories, spotlights and saved stories of public profiles."""
