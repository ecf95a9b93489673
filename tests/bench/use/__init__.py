"""Tests of what trained networks are used for."""
