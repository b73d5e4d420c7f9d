"""What a run is called: as the script was told before MLflow had named it, and as MLflow did."""

from typing import Any
from urllib.parse import quote

from tiltyard_workers.tracking.messages import place_of, run_of


class Names:
    """Both names of a job's own run, and where its files are under each.

    Args:
        info: of the run, as MLflow would describe it.
    """

    def __init__(self, info: dict[str, Any]) -> None:
        self.given_id = str(info["run_id"])
        """What the script is told that its run is called, while MLflow has not named it."""
        self._given_at = str(info["artifact_uri"])
        self.real_id: str | None = None
        self._real_at = ""

    def learn(self, run_id: str, artifact_uri: str) -> None:
        """MLflow has named it."""
        self.real_id, self._real_at = run_id, artifact_uri

    def are_meant(self, said: dict[str, Any]) -> bool:
        """Whether a message, or the query of an address, is about this run."""
        return run_of(said) in {self.given_id, self.real_id}

    def file_in(self, path: str) -> str:
        """Which of the run's files a path of MLflow's names; an empty text where it is none of them."""
        roots = [f"{place_of(root).strip('/')}/" for root in (self._given_at, self._real_at) if root]
        return next((path.removeprefix(root) for root in roots if path.startswith(root)), "")

    def put_into(self, text: Any) -> Any:
        """A text, or bytes, with the real name, where the script only knows the one that it was given."""
        if self.real_id is None or self.real_id == self.given_id:
            return text
        for given, real in (
            (self._given_at, self._real_at),
            (place_of(self._given_at), place_of(self._real_at)),
            (quote(place_of(self._given_at), safe=""), quote(place_of(self._real_at), safe="")),
            (self.given_id, self.real_id),
        ):
            text = (
                text.replace(given.encode(), real.encode())
                if isinstance(text, bytes)
                else text.replace(given, real)
            )
        return text
