"""The supervisor with dummy children: what dies comes back, and when the supervisor goes, everything goes."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from moderation import preflight, supervisor
from moderation.preflight import CannotStart, claim
from moderation.settings import Settings, load
from moderation.supervisor import environment, missing, processes

DRIVER = """
import signal, sys
from pathlib import Path

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test run under nohup hands down that it is ignored
from moderation import settings
from moderation.supervisor import Child, run

folder, port, *names = sys.argv[1:]
child = [sys.executable, str(Path(folder) / "child.py"), folder, port]

def children():
    more = Path(folder, "more").read_text().split() if Path(folder, "more").exists() else []
    return [Child(name, (*child, name)) for name in [*names, *more]]

def tick():
    with Path(folder, "ticks").open("a") as file:
        file.write("x")
    raise RuntimeError("a sweep that fails")

loaded = settings.load({"MODERATION_DATA_DIR": folder + "/data", "PORT": port, "MODERATION_SWEEP_SECONDS": "1"})
print("code", run(loaded, children=children, tick=tick, ready=lambda: "", on_ready=lambda: print("ready", flush=True)))
"""

CHILD = """
import os, signal, socket, sys, time
from pathlib import Path
from moderation.watchdog import watch_parent

folder, port, name = sys.argv[1:]
if name == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
assert watch_parent()
assert not watch_parent()
if name == "web":
    listener = socket.create_server(("127.0.0.1", int(port)))
Path(folder, name + ".tmp").write_text(str(os.getpid()))
Path(folder, name + ".tmp").rename(Path(folder, name + ".pid"))
if name == "broken":
    sys.exit(3)
while True:
    time.sleep(60)
"""


class Driver:
    """A supervisor in a process of its own, with children of the given names."""

    def __init__(self, folder: Path, port: int, *names: str) -> None:
        self.folder = folder
        (folder / "driver.py").write_text(DRIVER)
        (folder / "child.py").write_text(CHILD)
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "driver.py"), str(folder), str(port), *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pid(self, name: str, other_than: int = 0) -> int:
        """The process id that the child wrote down, once it is another than the given one."""
        path = self.folder / f"{name}.pid"
        wait_until(lambda: path.exists() and int(path.read_text()) != other_than, 10)
        return int(path.read_text())

    def end(self, *signals: int, within: float = 10) -> tuple[int, str, str]:
        """Send the signals; the exit code and what was printed on both streams."""
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.3)
        out, err = self.process.communicate(timeout=within)
        return self.process.returncode, out, err


def wait_until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait for it; the seconds that it took. Fails when it never holds."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - started


def alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has collected yet counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # gone meanwhile, or a system without /proc, where init collects the dead at once
        return not Path("/proc/self").exists()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def drive(tmp_path: Path, port: int) -> Iterator[Callable[..., Driver]]:
    """Starts drivers and ends, at the end, whatever of them is still there."""
    started: list[Driver] = []

    def start(*names: str) -> Driver:
        started.append(Driver(tmp_path, port, *names))
        return started[-1]

    yield start
    for driver in started:
        driver.process.kill()
        driver.process.communicate()
    for path in tmp_path.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def test_a_child_that_dies_comes_back_and_the_others_stay(drive: Callable[..., Driver]) -> None:
    driver = drive("one", "two")
    one, two = driver.pid("one"), driver.pid("two")
    os.kill(one, signal.SIGKILL)
    again = driver.pid("one", other_than=one)
    assert alive(again)
    assert driver.pid("two") == two
    code, _, err = driver.end(signal.SIGTERM)
    assert code == 0
    assert "one was ended by SIGKILL; starting it again in 0.2 s" in err
    assert not alive(again)
    assert not alive(two)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_children_and_ends_with_code_0(drive: Callable[..., Driver], number: int) -> None:
    driver = drive("one")
    one = driver.pid("one")
    assert os.getsid(one) != os.getsid(driver.process.pid)  # Ctrl-C in a terminal reaches the supervisor alone
    code, out, _ = driver.end(number, within=8)
    assert code == 0
    assert "code 0" in out
    assert not alive(one)


def test_a_child_that_ignores_sigterm_is_ended_at_the_second_signal(drive: Callable[..., Driver]) -> None:
    driver = drive("stubborn")
    stubborn = driver.pid("stubborn")
    assert driver.end(signal.SIGTERM, signal.SIGTERM, within=8)[0] == 0
    assert not alive(stubborn)


def test_children_are_gone_within_five_seconds_after_the_supervisor_was_killed(drive: Callable[..., Driver]) -> None:
    driver = drive("one", "stubborn")
    one, stubborn = driver.pid("one"), driver.pid("stubborn")
    driver.process.kill()
    wait_until(lambda: not alive(one), 5)
    wait_until(lambda: not alive(stubborn), 5)


def test_after_a_hard_death_the_next_start_waits_for_the_port_and_works(drive: Callable[..., Driver]) -> None:
    first = drive("web", "stubborn")
    web = first.pid("web")
    first.process.kill()
    second = drive("web")
    assert alive(second.pid("web", other_than=web))
    assert second.end(signal.SIGTERM)[0] == 0


def test_a_second_instance_on_the_same_data_folder_is_refused_in_one_sentence(drive: Callable[..., Driver]) -> None:
    first = drive("one")
    one = first.pid("one")
    second = drive("one")
    _, out, err = second.end(within=10)
    assert "code 1" in out
    assert err.count("\n") == 1
    assert f"Another instance (process {first.process.pid}) already serves the data folder" in err
    assert alive(one)
    assert first.pid("one") == one


def test_a_busy_port_is_refused_in_one_sentence_that_says_what_to_do(drive: Callable[..., Driver], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        _, out, err = drive("one").end(within=5)
    assert "code 1" in out
    assert err == f"moderation: Port {port} is already in use; choose another one: PORT={port + 1} make run.\n"


def test_a_child_that_always_fails_is_started_less_and_less_often(drive: Callable[..., Driver]) -> None:
    driver = drive("broken")
    time.sleep(2.5)
    _, _, err = driver.end(signal.SIGTERM)
    lines = [line for line in err.splitlines() if "broken" in line]
    assert [line.rpartition(" again in ")[2] for line in lines[:3]] == ["0.2 s", "0.4 s", "0.8 s"]
    assert "stopped with code 3" in lines[0]


def test_readiness_is_told_once_and_sweeps_go_on_although_they_fail(
    drive: Callable[..., Driver], tmp_path: Path
) -> None:
    driver = drive("one")
    driver.pid("one")
    ticks = tmp_path / "ticks"
    wait_until(lambda: ticks.exists() and len(ticks.read_text()) >= 2, 5)
    _, out, err = driver.end(signal.SIGTERM)
    assert out.count("ready") == 1
    assert "a sweep failed and will be repeated: RuntimeError: a sweep that fails" in err


def test_a_process_that_becomes_wanted_is_started_and_one_that_is_no_longer_wanted_ended(
    drive: Callable[..., Driver], tmp_path: Path
) -> None:
    driver = drive("one")
    one = driver.pid("one")
    (tmp_path / "more").write_text("late")
    late = driver.pid("late")
    (tmp_path / "more").write_text("")
    wait_until(lambda: not alive(late), 5)
    assert alive(one)


# --- without processes --------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, port: int) -> Settings:
    return load({"MODERATION_DATA_DIR": str(tmp_path / "data"), "PORT": str(port)})


def test_a_data_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path, port: int) -> None:
    (tmp_path / "file").write_text("")
    settings = load({"MODERATION_DATA_DIR": str(tmp_path / "file" / "data"), "PORT": str(port)})
    with pytest.raises(CannotStart, match="cannot be made: Not a directory"), claim(settings):
        pass


def test_a_full_disk_is_refused_in_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(_path: Path) -> object:
        return type("Usage", (), {"free": 12_000_000})

    monkeypatch.setattr(preflight.shutil, "disk_usage", usage)
    with pytest.raises(CannotStart, match="only 12 MB left"), claim(settings):
        pass


def test_a_host_that_is_not_ours_is_refused_in_one_sentence(settings: Settings) -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1"), claim(replace(settings, host="192.0.2.1")):
        pass


def test_the_folder_is_free_again_after_the_claim(settings: Settings) -> None:
    for _ in range(2):
        with claim(settings), pytest.raises(CannotStart, match=f"process {os.getpid()}"), claim(settings):
            pass
        assert (settings.data_dir / preflight.LOCK_NAME).read_text() == ""


def test_children_read_exactly_the_settings_of_their_supervisor(settings: Settings) -> None:
    changed = replace(
        settings,
        demo=False,
        delivery_allow=("10.0.0.0/8", "fd00::/8"),
        broker_url="amqp://u:p@h//",
        secure_cookies=True,
        web_threads=3,
        secret_key="k" * 40,
    )
    assert load(environment(changed)) == changed
    assert load({"PORT": "9", "MODERATION_DEMO": "1", **environment(changed)}) == changed


def test_every_process_class_has_its_own_worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "detoxify_installed", lambda _settings: False)
    names = ["web", "scoring", "delivery", "housekeeping", "bulk", "rescoring"]
    assert [child.name for child in processes(settings)] == names
    monkeypatch.setattr(supervisor, "detoxify_installed", lambda _settings: True)
    assert [child.name for child in processes(settings)][-1] == "scoring_detoxify"
    assert len(processes(replace(settings, scorer="builtin"))) == 6
    for child in processes(settings)[1:]:
        assert child.argv[child.argv.index("-Q") + 1] == child.name
        assert child.env["MODERATION_DATA_DIR"] == str(settings.data_dir)


def test_ready_means_that_readyz_answers_200(settings: Settings) -> None:
    answers = [503, 200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            self.send_response(answers.pop(0))
            self.end_headers()
            self.wfile.write(b"no worker yet")

        def log_message(self, *_args: object) -> None:
            pass

    assert "does not answer" in missing(settings)
    with http.server.HTTPServer(("127.0.0.1", settings.port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        assert missing(settings) == "/readyz answers 503 no worker yet"
        assert missing(replace(settings, host=".".join("0000"))) == ""
        server.shutdown()


@pytest.mark.parametrize("value", ["", "x", "-1", "99999"])
def test_a_process_without_a_supervisor_watches_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from moderation.watchdog import FD_VARIABLE, watch_parent

    monkeypatch.setenv(FD_VARIABLE, value)
    assert not watch_parent()
