"""Days in minutes: our own code against pretended platforms, by a clock of its own."""
