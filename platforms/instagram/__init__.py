"""Instagram (professional accounts): its windows; publishing there comes later."""
