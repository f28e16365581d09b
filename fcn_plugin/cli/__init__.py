"""The command ``fcn``: one file a subcommand, which parses arguments and makes one call."""
from .command import main

__all__ = ['main']
