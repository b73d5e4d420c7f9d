"""What can go wrong between a caller and a testbed. Every message is meant for a person; programs read `code`."""

from tiltyard.wire.problems import Problem, ProblemItem


class TiltyardError(Exception):
    """The base of every error that a client raises."""


class Unreachable(TiltyardError):
    """The gateway did not answer for as long as the client had patience. Says nothing about any job."""


class Misunderstood(TiltyardError):
    """The gateway answered what this client cannot read: it is no gateway, or of another version."""


class Refused(TiltyardError):
    """The gateway answered, and the answer is no."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__("\n".join(describe(problem)))

    @property
    def code(self) -> str:
        """What is wrong, in snake case; stable."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def errors(self) -> list[ProblemItem]:
        """Everything that is wrong with the request, each with a pointer to it."""
        return self.problem.errors


class NotFound(Refused):
    """There is no such job, archive, queue, experiment or artifact."""


class Unauthorized(Refused):
    """The token is missing, unknown or revoked."""


def refusal(problem: Problem) -> Refused:
    """The error for a problem."""
    match problem.status:
        case 401:
            return Unauthorized(problem)
        case 404:
            return NotFound(problem)
        case _:
            return Refused(problem)


def describe(problem: Problem) -> list[str]:
    """A problem in lines for a person: each thing that is wrong with the place where it is."""
    if problem.errors:
        return [
            f"{_place(item)}: {item.detail}" if item.pointer.strip("/") else item.detail
            for item in problem.errors
        ]
    return [problem.detail or problem.title]


def _place(item: ProblemItem) -> str:
    """Where it is: in a text file with its line and column, as editors take them."""
    if item.line is None:
        return item.pointer
    return f"{item.pointer} (line {item.line}, column {item.column or 1})"
