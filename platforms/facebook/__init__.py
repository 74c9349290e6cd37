"""Facebook Pages: their windows; publishing there comes later."""
