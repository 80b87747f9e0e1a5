"""A run with a Dagster that calls one of its private names otherwise: `renamed_dagster.py NAME`."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader

MODULE = "dagster._core.storage.event_log.sqlite.sqlite_event_log"
NAME = sys.argv[1]


class Renaming(SourceFileLoader):
    def get_code(self, fullname):
        source = self.get_source(fullname)
        assert NAME in source, f"{MODULE} has no {NAME}"
        return compile(source.replace(NAME, f"{NAME}_of_old"), self.path, "exec")


class Finder(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        spec.loader = Renaming(fullname, spec.origin)
        return spec


sys.meta_path.insert(0, Finder())

import dagster as dg  # noqa: E402


@dg.asset
def colour():
    pass


with dg.DagsterInstance.get() as instance:
    result = dg.materialize([colour], instance=instance)
    log = instance.event_log_storage
    from pipelines.event_log import EventLog

    print(EventLog.__name__, type(log).__name__, result.success, len(log.get_logs_for_run(result.run_id)) > 5)
