"""An interrupt ends a run also where Python loses the exception that its handler raises."""

import subprocess
import sys

import pytest
from nights import program

from pipelines.lost_interrupts import INTERRUPTIONS, send_again


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_in_a_callback_ends_a_step_of_dagsters(name: str) -> None:
    done = subprocess.run(**program("loses_interrupt", name, "again"), capture_output=True, check=False)
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_without_it_the_step_goes_on() -> None:
    done = subprocess.run(**program("loses_interrupt", "SIGTERM"), capture_output=True, check=False)
    assert (done.stdout, "Exception ignored in" in done.stderr) == ("went on\n", True)
    assert any(name in done.stderr for name in INTERRUPTIONS)


def test_other_exceptions_go_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: others.append(unraisable.exc_type.__name__))
    send_again()

    class Fails:
        def __del__(self) -> None:
            raise ValueError

    Fails()
    assert others == ["ValueError"]
