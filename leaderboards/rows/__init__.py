"""Records as rows: scores by seed and patient, compared and paired."""
