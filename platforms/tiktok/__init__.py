"""TikTok: its windows; publishing there comes later."""
