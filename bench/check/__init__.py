"""Contracts and promises that anybody can check: pruners, recorded rows, kills."""
