#!/usr/bin/env bash
# Every figure that the documentation names, beside its floor or peer, in one run. BENCH_SCALE=0.1 for a tenth.
# Needs Python 3; peers (DuckDB, polars) join when they are installed or PEERS_PYTHON names an interpreter that has them.
set -euo pipefail
cd "$(dirname "$0")/../.."
scale="${BENCH_SCALE:-1}"
scaled() { awk -v scale="$scale" -v count="$1" 'BEGIN { printf "%d", count * scale }'; }
target="${CARGO_TARGET_DIR:-target}"
node="$target/release/flowlore-node"
python="${PEERS_PYTHON:-python3}"

cargo build --release --locked -p flowlore-node
scan=$(cargo bench -q --locked -p flowlore-analyzer --bench source --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*\/source-[^"]*\)".*/\1/p')

# One file of about so many rows, as the peers read it (the hours' rows under the first hour's header), and the same as JSON.
make_logs() {
  if [ ! -f "$2/conn.json" ]; then
    mkdir -p "$2"
    "$node" synth --out "$2/day" --seed 1 --rows "$1" --scenario clean >/dev/null
    find "$2/day" -name 'conn.*.log' | sort | head -n 1 | xargs grep -a '^#[sefuopt]' >"$2/conn.log"
    find "$2/day" -name 'conn.*.log' | sort | xargs cat | grep -av '^#' >>"$2/conn.log"
    rm -r "$2/day"
    "$python" node/benches/to_json.py "$2/conn.log" >"$2/conn.json.part"
    mv "$2/conn.json.part" "$2/conn.json"
  fi
}

for rows in $(scaled 1000000) $(scaled 10000000); do
  printf '\n== analyze: whole processes, %s rows\n' "$rows"
  data="$target/bench-data/$rows"
  make_logs "$rows" "$data"
  "$python" node/benches/compare.py 3 "$node" "$scan" "$data/conn.log" "$data/conn.json"
  printf '\n== reading alone, beside newline and tab scans\n'
  "$scan" --bench "$data/conn.log" "$data/conn.json"
done
printf '\n== scoring\n'
cargo bench -q --locked -p flowlore-analyzer --bench scoring
printf '\n== names to tokens\n'
cargo bench -q --locked -p flowlore-veil --bench flp1
printf '\n== blocks: checks, sled alone, both together\n'
# Ten million take half an hour to make: in a whole run only.
for labels in $(scaled 1000000) $([ "$scale" = 1 ] && echo 10000000); do
  cargo bench -q --locked -p flowlore-ledger --bench admit -- "$labels" contacted
done
printf '\n== look-ups, beside an empty call and Redis\n'
cargo bench -q --locked -p flowlore-node --bench lookup -- "$(scaled 20000)"
