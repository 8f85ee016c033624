"""What the old API has, told by its OpenAPI document and its traffic, held against the bindings."""
