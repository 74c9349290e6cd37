"""The practice network: a local server made of all twins, with a panel for faults."""
