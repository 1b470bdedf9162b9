"""A peer's way to the same question: every (source, destination, port) of a conn.log with at least four contacts, scored
by the regularity of its gaps and of its sizes (skew and deviation about the median; two of the four parts that our own
score has). Usage: peers.py duckdb|polars FILE THREADS. Prints: pairs scored.

The peers do less than `flowlore-node analyze`: no duplicates, names, categories, totals or report.
"""
import os
import sys

COLUMNS = (
    "ts uid orig_h orig_p resp_h resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp "
    "missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
).split()


def columns_of(path):
    """Names of the columns by the log's own header."""
    with open(path, encoding="utf-8") as log:
        for line in log:
            if line.startswith("#fields\t"):
                return [name.removeprefix("id.") for name in line.rstrip("\n").split("\t")[1:]]
            if not line.startswith("#"):
                break
    return COLUMNS


def duckdb_scored(path, threads):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET preserve_insertion_order = false")
    if path.endswith(".json"):
        rows = f"""SELECT "id.orig_h" AS orig_h, "id.resp_h" AS resp_h, "id.resp_p" AS resp_p, ts, orig_ip_bytes AS size
                   FROM read_json('{path}', format = 'newline_delimited', columns = {{'ts': 'DOUBLE',
                   'id.orig_h': 'VARCHAR', 'id.resp_h': 'VARCHAR', 'id.resp_p': 'INTEGER', 'orig_ip_bytes': 'BIGINT'}})"""
    else:
        types = {"ts": "DOUBLE", "resp_p": "INTEGER", "orig_ip_bytes": "BIGINT"}
        spec = ", ".join(f"'{name}': '{types.get(name, 'VARCHAR')}'" for name in columns_of(path))
        rows = f"""SELECT orig_h, resp_h, resp_p, ts, orig_ip_bytes AS size FROM read_csv('{path}', delim = '\t',
                   header = false, comment = '#', nullstr = '-', quote = '', escape = '', auto_detect = false,
                   columns = {{{spec}}})"""
    return connection.execute(
        f"""
        WITH contact AS (
            SELECT orig_h, resp_h, resp_p, coalesce(size, 0) AS size,
                   floor(ts) - lag(floor(ts)) OVER (PARTITION BY orig_h, resp_h, resp_p ORDER BY ts) AS gap
            FROM ({rows})),
        pair AS (
            SELECT quantile_cont(gap, [0.25, 0.5, 0.75]) FILTER (gap > 0) AS g, mad(gap) FILTER (gap > 0) AS gm,
                   quantile_cont(size, [0.25, 0.5, 0.75]) AS s, mad(size) AS sm, count(*) FILTER (gap > 0) AS gaps
            FROM contact GROUP BY orig_h, resp_h, resp_p HAVING count(*) >= 4),
        scored AS (
            SELECT (1 - abs(CASE WHEN g[3] - g[1] >= 10 AND g[2] NOT IN (g[1], g[3])
                            THEN (g[1] + g[3] - 2 * g[2]) / (g[3] - g[1]) ELSE 0 END)
                    + CASE WHEN g[2] >= 1 THEN greatest(0, (g[2] - gm) / g[2]) ELSE 1 END) / 2 AS time_score,
                   (1 - abs(CASE WHEN s[3] - s[1] >= 10 AND s[2] NOT IN (s[1], s[3])
                            THEN (s[1] + s[3] - 2 * s[2]) / (s[3] - s[1]) ELSE 0 END)
                    + CASE WHEN s[2] >= 1 THEN greatest(0, (s[2] - sm) / s[2]) ELSE 0 END) / 2 AS size_score
            FROM pair WHERE gaps >= 3)
        SELECT count(*), count(*) FILTER ((time_score + size_score) / 2 > 0.9) FROM scored
        """
    ).fetchone()


def polars_scored(path, threads):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    keys = ["orig_h", "resp_h", "resp_p"]
    if path.endswith(".json"):
        rows = pl.scan_ndjson(path).rename({f"id.{key}": key for key in keys})
    else:
        names = columns_of(path)
        rows = pl.scan_csv(
            path, separator="\t", has_header=False, comment_prefix="#", null_values="-", quote_char=None,
            new_columns=names, schema_overrides={name: pl.String for name in names}, infer_schema=False,
        )
    rows = rows.select(
        *keys, pl.col("ts").cast(pl.Float64).floor(), pl.col("orig_ip_bytes").cast(pl.Int64).fill_null(0).alias("size")
    )

    def part(values, otherwise):
        q1, q2, q3 = (values.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
        skewed = (q3 - q1 >= 10) & (q2 != q1) & (q2 != q3)
        skew = pl.when(skewed).then((q1 + q3 - 2 * q2) / (q3 - q1)).otherwise(0.0)
        deviation = (values - values.median()).abs().median()
        kept = pl.when(q2 >= 1).then(((q2 - deviation) / q2).clip(lower_bound=0)).otherwise(otherwise)
        return (1 - skew.abs() + kept) / 2

    gaps = pl.col("ts").sort().diff().drop_nulls()
    gaps = gaps.filter(gaps > 0)
    scored = rows.group_by(keys).agg(
        pl.len().alias("contacts"), gaps.len().alias("gaps"),
        part(gaps, 1.0).alias("time_score"), part(pl.col("size"), 0.0).alias("size_score"),
    ).filter((pl.col("contacts") >= 4) & (pl.col("gaps") >= 3)).select(
        pl.len(), ((pl.col("time_score") + pl.col("size_score")) / 2 > 0.9).sum().alias("high"))
    return scored.collect().row(0)


if __name__ == "__main__":
    peer, file, count = sys.argv[1:4]
    scored, high = {"duckdb": duckdb_scored, "polars": polars_scored}[peer](file, int(count))
    print(f"scored={scored} above_0.9={high}")
