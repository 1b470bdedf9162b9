"""Analyses of one conn.log, as tab-separated text and as JSON, beside peers that do less and beside plain scans of the same bytes.

Commands run in turn, A B C A B C; shown are medians: wall and CPU seconds (user and system) and peak memory. CPU seconds survive a
busy machine, wall seconds compare within a run only. Each of our reports must find what a run with default options finds. Whether a
goal is met is printed, not asserted: a busy machine is no failure.
Usage: compare.py RUNS NODE SCAN conn.log conn.json, with the interpreter that has the peers.
"""
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

# What goals ask for: a peer's figure over ours at least, or ours over the floor's at most.
DUCKDB_TIMES, DUCKDB_TIMES_JSON, SCAN_TIMES, THREADS_TIMES = 3.0, 2.0, 5.0, 1.7
PAIR_BYTES, CONTACT_BYTES = 256, 8
PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.py")


def run(command, out=subprocess.DEVNULL):
    """Wall seconds, CPU seconds, peak MB."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=out)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def found(command):
    """What a report must have in common with a run's with default options."""
    with tempfile.TemporaryFile() as out:
        run(command, out)
        out.seek(0)
        report = json.load(out)
    return {
        "flows": report["input"]["flows"],
        "pairs": report["conversations"]["total"],
        "categories": report["categories"],
        "findings": report["findings"],
    }


def medians(runs, cases):
    taken = {name: [] for name in cases}
    for _ in range(runs):
        for name, command in cases.items():
            taken[name].append(run(command))
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in taken.items()}


def goal(text, value, bound, at_least):
    met = value >= bound if at_least else value <= bound
    print(f"  {'met ' if met else 'MISSED'} {text}: {value:.2f}, goal {'at least' if at_least else 'at most'} {bound:g}")


def compare(runs, node, scan, file, normal):
    size = os.path.getsize(file)
    ours = {f"ours, {threads} thread{'s' * (threads > 1)}": [node, "analyze", file, "--output", "json", "--threads", str(threads)]
            for threads in (1, 2)}
    peers = [peer for peer in ("duckdb", "polars") if importlib.util.find_spec(peer)]
    for peer in {"duckdb", "polars"} - set(peers):
        print(f"SKIPPED {peer}: not installed for {sys.executable}")
    cases = {f"{peer}, 2 threads": [sys.executable, PEERS, peer, file, "2"] for peer in peers} | ours
    for name, command in ours.items():
        same = found(command)
        for what, value in normal.items():
            assert same[what] == value, f"{file}: {name}: {what} differ from those of a run with default options"
    results = medians(runs, cases)
    floors = subprocess.run([scan, "--bench", file], check=True, capture_output=True, text=True).stdout
    newline, tab = (float(seconds) for seconds in re.search(r"; newline scan ([\d.]+) s, tab and newline scan ([\d.]+) s", floors).groups())
    print(f"{file}: {size / 1e6:.0f} MB, {normal['flows']} flows, {normal['pairs']} pairs; {runs} runs in turn, {os.cpu_count()} cores")
    print(f"  {'':20} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}")
    for name, (wall, cpu, memory) in results.items():
        print(f"  {name:20} {wall:8.2f} {cpu:8.2f} {memory:8.0f}")
    print(f"  {'newline scan':20} {'':8} {newline:8.2f}\n  {'tab+newline scan':20} {'':8} {tab:8.2f}")
    one, two = (results[name] for name in ours)
    is_json = file.endswith(".json")
    if "duckdb" in peers:
        times = DUCKDB_TIMES_JSON if is_json else DUCKDB_TIMES
        peer = results["duckdb, 2 threads"]
        goal("wall time, DuckDB's over ours with 2 threads", peer[0] / two[0], times, True)
        goal("CPU, DuckDB's over ours with 2 threads", peer[1] / two[1], times, True)
    if not is_json:
        goal("CPU with 1 thread over the tab+newline scan's", one[1] / tab, SCAN_TIMES, False)
    goal("wall time, 1 thread's over 2 threads'", one[0] / two[0], THREADS_TIMES, True)
    allowed = PAIR_BYTES * normal["pairs"] + CONTACT_BYTES * (normal["flows"] - normal["pairs"])
    beyond = two[2] * 1024 * 1024 - size
    goal(f"peak memory beyond the mapped file, MB ({PAIR_BYTES} B a pair, {CONTACT_BYTES} B a further contact)",
         beyond / 1e6, round(allowed / 1e6), False)


def main():
    runs, node, scan, *files = sys.argv[1:]
    normal = found([node, "analyze", files[0], "--output", "json"])
    for file in files:
        compare(int(runs), node, scan, file, normal)


if __name__ == "__main__":
    main()
