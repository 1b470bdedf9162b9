#!/usr/bin/env bash
# Every figure that the documentation names, beside its floor or peer, in one run. BENCH_SCALE=0.1 for a tenth.
# Peers in Python (DuckDB, polars) join when they are installed or PEERS_PYTHON names an interpreter that has them.
set -euo pipefail
cd "$(dirname "$0")/../.."
scale="${BENCH_SCALE:-1}"
rows=$(awk -v scale="$scale" 'BEGIN { printf "%d", 10000000 * scale }')
labels=$(awk -v scale="$scale" 'BEGIN { printf "%d", 512000 * scale }')
data="${CARGO_TARGET_DIR:-target}/bench-data/$rows"
node="${CARGO_TARGET_DIR:-target}/release/flowlore-node"

cargo build --release --locked -p flowlore-node
if [ ! -f "$data/conn.log" ]; then
  mkdir -p "$data"
  "$node" synth --out "$data/day" --seed 1 --rows "$rows" --scenario clean >/dev/null
  # One file, as the peers read it: the hours' rows under the first hour's header.
  find "$data/day" -name 'conn.*.log' | sort | head -n 1 | xargs grep -a '^#[sefuopt]' >"$data/conn.log"
  find "$data/day" -name 'conn.*.log' | sort | xargs cat | grep -av '^#' >>"$data/conn.log"
  rm -r "$data/day"
fi

printf '\n== analyze: whole processes\n'
python="${PEERS_PYTHON:-python3}"
cases=("ours, 1 thread=$node analyze {file} --output json --threads 1" "ours, 2 threads=$node analyze {file} --output json --threads 2")
for peer in duckdb polars; do
  if "$python" -c "import $peer" 2>/dev/null; then
    cases=("$peer, 2 threads=$python node/benches/peers.py $peer {file} 2" "${cases[@]}")
  else
    echo "SKIPPED $peer: not installed for $python"
  fi
done
if command -v "$python" >/dev/null; then
  "$python" node/benches/compare.py 3 "$data/conn.log" "${cases[@]}"
else
  echo "SKIPPED comparison: no $python"
fi

printf '\n== reading alone, beside newline and tab scans\n'
cargo bench -q --locked -p flowlore-analyzer --bench source -- "$(realpath "$data/conn.log")"
printf '\n== scoring\n'
cargo bench -q --locked -p flowlore-analyzer --bench scoring
printf '\n== names to tokens\n'
cargo bench -q --locked -p flowlore-veil --bench flp1
printf '\n== blocks: checks, sled alone, both together\n'
cargo bench -q --locked -p flowlore-ledger --bench admit -- "$labels"
printf '\n== look-ups, beside an empty call and Redis\n'
cargo bench -q --locked -p flowlore-node --bench lookup -- "$(awk -v scale="$scale" 'BEGIN { printf "%d", 20000 * scale }')"
