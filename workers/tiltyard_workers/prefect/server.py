"""The Prefect server of a host, as a process: `python -m tiltyard_workers.prefect.server FOLDER`.

It orders steps inside jobs and remembers nothing worth keeping. It listens where no job sees it, tells nobody of itself, and
ends when the last worker of its host has ended, however that ended.
"""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

from tiltyard_workers.prefect.place import Place

LOOK_SECONDS = 1.0


def environment(place: Place) -> dict[str, str]:
    """What the server is started with: nothing of the worker's but where to find Python's packages."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "HOME": str(place.home),
        "PREFECT_HOME": str(place.home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{place.home}/prefect.db",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",  # seconds, for what no job uses
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_COLORS": "false",
    }


def main() -> None:
    """Serve until nobody needs it. Ends with 0 at once where another process serves."""
    place = Place(Path(sys.argv[1]))
    try:
        with place.as_server():
            threading.Thread(target=_end_with_the_last_worker, args=(place,), daemon=True).start()
            _serve(place)
    except BlockingIOError:
        return
    except BaseException:
        # What it remembers may be why; the next one begins without.
        shutil.rmtree(place.home, ignore_errors=True)
        raise


def _end_with_the_last_worker(place: Place) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        if (held := place.deserted()) is None:
            continue
        with held:  # a worker that comes now waits until all of it is gone
            shutil.rmtree(place.home, ignore_errors=True)
            place.socket.unlink(missing_ok=True)
            os._exit(0)


def _serve(place: Place) -> None:
    place.home.mkdir(exist_ok=True)
    import uvicorn  # noqa: PLC0415 - both take seconds, and another server may be there already
    from prefect.server.api.server import create_app  # noqa: PLC0415

    app = create_app(webserver_only=True, final=True)
    uvicorn.run(app, uds=str(place.socket), log_level="warning")


if __name__ == "__main__":
    main()
