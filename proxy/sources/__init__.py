"""Where configuration and descriptors come from: folders, files, reflection."""
