"""TikTok: videos in parts or fetched, photos fetched, and what became of them."""
