"""Runs the `credential_process` of profiles: without input, and for a limited time. No request is sent here."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from resources.aws.profile_errors import PROCESS_SECONDS, ProcessTimedOut

PAUSE_SECONDS = 300.0
"""How long a command that did not end is not run again: hundreds of profiles may share it, one after the other."""


@dataclass(frozen=True)
class EndedProcess:
    """A process that has ended, with the members of `Popen` that botocore reads."""

    returncode: int
    output: tuple[bytes, bytes]

    def communicate(self) -> tuple[bytes, bytes]:
        """What the process wrote to stdout and to stderr."""
        return self.output


class _CredentialProcesses:
    """Runs processes for botocore's `ProcessProvider`, which takes it for `Popen`. Thread-safe.

    A process has no input: that of `cmdb mcp` belongs to its client, and processes of several profiles run at once.
    """

    def __init__(self) -> None:
        self._timed_out_at: dict[tuple[str, ...], float] = {}

    def __call__(self, arguments: Sequence[str], **pipes: Any) -> EndedProcess:
        """The ended process of a command.

        Raises:
            ProcessTimedOut: the process did not end and was killed, or one of this command was a short time ago.
        """
        command = tuple(arguments)
        timed_out_at = self._timed_out_at.get(command)
        if timed_out_at is not None and time.monotonic() - timed_out_at < PAUSE_SECONDS:
            raise ProcessTimedOut
        # In a session of its own, whatever the process has started can be killed with it. At a terminal it stays with
        # the command, so that Ctrl-C ends both and it can prompt there.
        is_alone = not _has_terminal()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=is_alone, **pipes)
        try:
            output = process.communicate(timeout=PROCESS_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process, is_alone=is_alone)
            self._timed_out_at[command] = time.monotonic()
            raise ProcessTimedOut from None
        except BaseException:
            # Such as an interrupt that this process alone received.
            _kill(process, is_alone=is_alone)
            raise
        return EndedProcess(process.returncode, output)


CREDENTIAL_PROCESSES = _CredentialProcesses()
"""Those of this process: profiles of several roles and client settings may have the same command."""


def _has_terminal() -> bool:
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _kill(process: subprocess.Popen[bytes], *, is_alone: bool) -> None:
    # One of another user, as by sudo, cannot be killed.
    with suppress(ProcessLookupError, PermissionError):
        if is_alone:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
