"""A folder has one owner at a time, and signals end a process when it can."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from owners import owner

from okd_brain import cli, survival
from okd_brain.messages import UserError
from okd_brain.survival import ToldToEnd, own, owning

# Owning a folder --------------------------------------------------------------


def test_a_folder_has_one_owner_and_its_error_names_it(tmp_path):
    folder = tmp_path / "out"
    with owner(folder) as process:
        assert survival.is_in_use(folder)
        with pytest.raises(UserError) as caught:
            own(folder)
        text = str(caught.value)
        for part in (
            str(folder),
            f"process {process.pid} on {socket.gethostname()}",
            "since 20",
            "run.lock",
        ):
            assert part in text
    # Killed: its lock is there, and stale.
    assert (folder / "run.lock").exists()
    assert not survival.is_in_use(folder)
    with owning(folder):
        note = json.loads((folder / "run.lock.json").read_text())
        assert note["process"] == os.getpid()
    assert list(folder.iterdir()) == []


def test_a_process_may_own_a_folder_twice(tmp_path):
    with owning(tmp_path):
        own(tmp_path)
        with owning(tmp_path):
            pass
        assert (tmp_path / "run.lock").exists()
    assert list(tmp_path.iterdir()) == []
    with owning(None):
        pass


def test_another_process_with_the_number_of_the_owner_is_none(tmp_path):
    """Numbers are used again, after a reboot at the latest."""
    with owner(tmp_path):
        pass
    lock = tmp_path / "run.lock"
    lines = lock.read_text().splitlines()
    lines = [
        f"pid={os.getppid()}" if line.startswith("pid=") else line
        for line in lines
    ]
    lock.write_text("\n".join(lines) + "\n")
    assert not survival.is_in_use(tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(158)])
def test_a_lock_that_a_power_cut_emptied_is_taken(tmp_path, content):
    """Its note, which came later, is on disk and names a process of here."""
    with owner(tmp_path):
        pass
    (tmp_path / "run.lock").write_bytes(content)
    assert (tmp_path / "run.lock.json").exists()
    assert not survival.is_in_use(tmp_path)
    with owning(tmp_path):
        assert survival._note(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("is_alive", [False, True])
def test_an_owner_on_another_machine_is_watched(
    tmp_path, monkeypatch, caplog, is_alive
):
    """Its clock may be any: it is alive if the lock is renewed meanwhile."""
    monkeypatch.setattr(survival, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(survival, "WAIT_SECONDS", 4.0)
    code = (
        "import sys, time, socket; import okd_brain.survival as s; "
        "socket.gethostname = lambda: 'elsewhere'; s.LEASE_SECONDS = 1.0; "
        "s.own(sys.argv[1]); print('mine', flush=True); time.sleep(600)"
    )
    monkeypatch.setattr("owners.CODE", code)
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(owner(tmp_path))
        if not is_alive:
            stack.close()
            with owning(tmp_path):
                pass
        else:
            with pytest.raises(UserError, match="on elsewhere, since"):
                own(tmp_path)
            assert process.poll() is None
    assert "on elsewhere" in caplog.text
    assert "whether it is alive" in caplog.text


def test_who_loses_a_folder_ends(tmp_path):
    """Somebody has deleted the lock; another process may be at work."""
    code = (
        "import sys, time; import okd_brain.survival as s; "
        "s.LEASE_SECONDS = 0.5\n"
        "from okd_brain import cli\n"
        "def work():\n"
        "    s.own(sys.argv[1]); print('mine', flush=True)\n"
        "    while True: time.sleep(0.05)\n"
        "sys.exit(cli.run(work))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "mine\n"
    (tmp_path / "run.lock").unlink()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "no longer owns the folder" in errors


# Being told to end ------------------------------------------------------------


@pytest.fixture
def heeding():
    survival.heed_signals()
    yield
    survival.ignore_signals()


@pytest.mark.parametrize("number", survival.SIGNALS)
def test_a_signal_ends_in_the_documented_code(heeding, capsys, number):
    def work():
        signal.raise_signal(number)
        raise AssertionError

    assert cli.run(work, after_interrupt="The same command goes on.") == 75
    assert capsys.readouterr().err == (
        f"\n{number.name}. The same command goes on.\n"
    )


def test_a_second_signal_ends_what_has_swallowed_the_first(heeding):
    for _ in range(2):  # as a destructor may
        with pytest.raises(ToldToEnd, match="SIGTERM"):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_waits_until_it_is_asked_for(heeding):
    done = []
    with pytest.raises(ToldToEnd, match="SIGTERM"):
        with survival.deferring():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGUSR1)
            done.append("step")
            survival.end_if_told()
            done.append("another step")
    assert done == ["step"]
    with pytest.raises(ToldToEnd):
        with survival.deferring():
            pass  # nobody has asked


def test_afterwards_signals_do_what_they_did():
    before = [signal.getsignal(number) for number in survival.SIGNALS]
    survival.heed_signals()
    survival.heed_signals()
    survival.ignore_signals()
    assert [signal.getsignal(n) for n in survival.SIGNALS] == before
