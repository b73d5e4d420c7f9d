"""Holds the query of a request to the parameters that its route has."""

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from tiltyard.wire import ProblemItem
from tiltyard_api.http.problems import invalid
from tiltyard_orchestrator.domain.parameters import did_you_mean


async def only_known_parameters(connection: HTTPConnection) -> None:
    """Refuse a query parameter that no route reads: a filter that is spelled wrong would give everything.

    Raises:
        Refused: 422, with all of them.
    """
    route = connection.scope.get("route")
    if not isinstance(route, APIRoute):
        return  # a WebSocket, which reads its own
    known = _names(route.dependant)
    unknown = sorted({name for name in connection.query_params if name not in known})
    if unknown:
        raise invalid([_unknown(name, known) for name in unknown], "invalid_request")


def _unknown(name: str, known: set[str]) -> ProblemItem:
    there = f"; known are {', '.join(sorted(known))}" if known else "; there are none"
    detail = f"this parameter is not known{did_you_mean(name, known) or there}"
    return ProblemItem(pointer=f"?{name}", code="extra_forbidden", detail=detail)


def _names(dependant: Dependant) -> set[str]:
    return {field.alias for field in dependant.query_params}.union(*map(_names, dependant.dependencies))
