"""Runs commands in turn, A B C A B C, over the same file and prints medians: wall and CPU seconds, peak memory, ratios to the first
peer. CPU seconds (user and system) survive a busy machine; wall seconds compare within a run only.
Usage: compare.py RUNS FILE 'name=command with {file}'..."""
import os
import shlex
import statistics
import subprocess
import sys
import time


def run(command):
    started = time.monotonic()
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Reports are large: read and let go, but for the last line.
    last = b""
    for line in process.stdout:
        last = line
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    return process.returncode, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, last[:60].decode(errors="replace").strip()


def main():
    runs, file = int(sys.argv[1]), sys.argv[2]
    cases = [case.split("=", 1) for case in sys.argv[3:]]
    with open(file, "rb") as data:  # warm the page cache
        while data.read(1 << 20):
            pass
    results = {}
    for _ in range(runs):
        for name, command in cases:
            code, *figures = run(command.format(file=shlex.quote(file)))
            if code != 0:
                sys.exit(f"{name}: exit code {code}: {figures[-1]}")
            results.setdefault(name, []).append(figures)
    medians = {
        name: [statistics.median(column) for column in list(zip(*rows))[:3]] for name, rows in results.items()
    }
    peer = next((name for name in medians if name.startswith("duckdb")), next(iter(medians)))
    print(f"{file}: {os.path.getsize(file) / 1e6:.0f} MB, {runs} runs in turn, {os.cpu_count()} cores; ratios are {peer} / case")
    print(f"{'case':32} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'x wall':>7} {'x CPU':>7}")
    for name, (wall, cpu, memory) in medians.items():
        ratios = f"{medians[peer][0] / max(wall, 0.005):7.1f} {medians[peer][1] / max(cpu, 0.005):7.1f}"
        print(f"{name:32} {wall:8.2f} {cpu:8.2f} {memory:8.0f} {ratios}")


if __name__ == "__main__":
    main()
