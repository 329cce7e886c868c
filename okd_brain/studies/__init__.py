"""Many experiments and seeds, in one table."""
