"""The names of the artifact types that every graph may use: the SDK saves and loads them."""

STANDARD = frozenset({"array", "table", "json", "text", "figure", "model", "path"})
