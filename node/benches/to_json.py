"""A Zeek log as JSON lines, from its tab-separated form: as Zeek's own JSON writer does, unset values are left out.
Usage: to_json.py LOG, to standard output."""
import json
import sys

BARE = {"time", "interval", "count", "int", "port", "double"}


def value(kind, text):
    if kind in BARE:
        return text
    if kind == "bool":
        return "true" if text == "T" else "false"
    return json.dumps(text.split(",") if kind.startswith(("set", "vector")) else text, separators=(",", ":"))


def main():
    names, kinds = [], []
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            cells = line.rstrip("\n").split("\t")
            if line.startswith("#fields"):
                names = [json.dumps(name) for name in cells[1:]]
            elif line.startswith("#types"):
                kinds = cells[1:]
            elif not line.startswith("#"):
                row = zip(names, kinds, cells)
                set_ones = (f"{name}:{value(kind, text)}" for name, kind, text in row if text not in ("-", "(empty)"))
                sys.stdout.write("{" + ",".join(set_ones) + "}\n")


if __name__ == "__main__":
    main()
