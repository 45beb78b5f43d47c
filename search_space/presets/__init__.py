"""The spaces that ship with the package, one YAML file each."""
