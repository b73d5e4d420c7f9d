"""Paths of artifacts in our own paths: whatever a file system takes for a name, line breaks and all."""

from starlette.convertors import Convertor, register_url_convertor


class AnyName(Convertor[str]):
    """`{path:anyname}`: as Starlette's `path`, whose `.` does not match a line break."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("anyname", AnyName())
PATH = "{path:anyname}"
"""The last part of a route that names an artifact."""
NAME = "{name:anyname}"
"""The last part of a route that names a metric: MLflow lets one hold slashes and spaces."""
