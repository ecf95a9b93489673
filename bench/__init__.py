"""The benchmark: trials, stages, training, evaluation, records, and the command line."""
