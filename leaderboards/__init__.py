"""From records to comparisons: statistics, tables, figures, the published board."""
