"""Mapping files to validated, frozen configuration: text in, values or every problem out.

Belongs here: syntax, schema, checks across sections, and what the result says about an RPC. Does
not: reading files, watching them, and everything that needs descriptors or a network.
"""

from proxy.config.load import load_config
from proxy.config.resolved import Config, ResolvedRoute
from proxy.config.source import SourceText

__all__ = ["Config", "ResolvedRoute", "SourceText", "load_config"]
