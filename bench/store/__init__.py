"""Stages that are kept under the key of what they depend on."""
