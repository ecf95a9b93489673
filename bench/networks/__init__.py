"""Networks that are read, written or made smaller."""
