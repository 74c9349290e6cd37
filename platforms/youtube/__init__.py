"""YouTube (Data API v3): its windows; publishing there comes later."""
