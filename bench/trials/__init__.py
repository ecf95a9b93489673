"""From a request to a record: what is asked for, planned, carried out."""
