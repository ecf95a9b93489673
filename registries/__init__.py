"""What the suite's catalogues share: named entries, their identity, and the error a bad request ends in."""

from registries.errors import RequestError
from registries.identity import Identity, identify
from registries.options import options_of, parse_options
from registries.plugins import load_plugin
from registries.registry import Registry

__all__ = ["Identity", "Registry", "RequestError", "identify", "load_plugin", "options_of", "parse_options"]
