"""What a trial leaves: the trial, its record, and the settings that decide what may be compared."""
