"""Failed simulations: whether they are named rightly, foretold, and bias nothing.

    python benchmarks/failures.py [--quick] [--only ROW] [--seed S] [--json]

A row that cannot be measured has the value null, says why, and does not hold.
"""

import argparse
import json
import os
import platform

import _failures_faults
import _failures_use
from inference import Options, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small budgets: checks the benchmark, not the methods")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    options, found = Options(given.quick, given.seed, "batched"), []
    for name, (unit, bar, run) in (_failures_faults.rows() | _failures_use.rows()).items():
        if given.only in name:
            found.append(measure(name, unit, bar, run, options))
            if not given.json:
                row = found[-1]
                shown = "null" if row["value"] is None else f"{row['value']:.4f}"
                head = f"{name:36} {shown:>9} {unit:16} {row['holds']!s:5} {row['seconds']:7.0f} s"
                print(f"{head}  bar {bar}; {row['detail']}", flush=True)
    if given.json:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        machine["load"] = os.getloadavg()
        print(json.dumps({"benchmark": "failures", "machine": machine, "rows": found}, indent=1))


if __name__ == "__main__":
    main()
