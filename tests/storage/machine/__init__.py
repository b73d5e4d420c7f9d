"""Random lives of jobs on a real PostgreSQL, each step compared with what was promised."""

import pytest

for module in ("lives", "callers", "workers", "keepers", "sweepers"):
    pytest.register_assert_rewrite(f"{__name__}.{module}")  # so that a failure shows what was compared
