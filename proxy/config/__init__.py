"""Mapping files to validated, frozen configuration: text in, values or every problem out."""
