"""A run with a Dagster that calls one of its private names otherwise: `renamed_dagster.py NAME`."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

MODULE = "dagster._core.storage.event_log.sqlite.sqlite_event_log"
NAME = sys.argv[1]


class Renaming(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname) or ""
        assert NAME in source, f"{MODULE} has no {NAME}"
        code: CodeType = compile(source.replace(NAME, f"{NAME}_of_old"), self.path, "exec")
        return code


class Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        spec.loader = Renaming(fullname, spec.origin)
        return spec


sys.meta_path.insert(0, Finder())

import dagster as dg  # noqa: E402


@dg.asset
def colour() -> None:
    pass


with dg.DagsterInstance.get() as instance:
    result = dg.materialize([colour], instance=instance)
    log = instance.event_log_storage
    from pipelines.event_log import EventLog

    print(EventLog.__name__, type(log).__name__, result.success, len(log.get_logs_for_run(result.run_id)) > 5)
