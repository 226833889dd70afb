#!/usr/bin/env python3
"""The lines of drift_injection as a Markdown table: one row for each kind of change and strength.
Usage: injection_table.py FILE..."""
import json
import statistics
import sys

rows = {}
nothing = []
for path in sys.argv[1:]:
    with open(path) as lines:
        for line in lines:
            case = json.loads(line)
            if case["kind"] == "nothing":
                nothing.append(case["raised"])
            else:
                rows.setdefault((case["kind"], case["strength"]), []).append(case)

print("| change | strength | found | delay, h (median, worst) | first alert names it | onset in its interval | alerts of it | other alerts |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
found = named = raised = 0
for (kind, strength), cases in sorted(rows.items(), key=lambda r: (list(k for k, _ in rows).index(r[0][0]), -float(r[0][1].split()[0]))):
    hits = [c for c in cases if c["right"] > 0]
    alarmed = [c for c in cases if c["raised"] > 0]
    first = sum(c["first_right"] for c in alarmed)
    found += len(hits)
    raised += len(alarmed)
    named += first
    delays = sorted(c["delay_h"] for c in hits)
    spread = f"{statistics.median(delays):.1f}, {delays[-1]:.1f}" if delays else "-"
    others = sum(len(c["others"]) for c in cases)
    print(f"| {kind} | {strength} | {len(hits)} of {len(cases)} | {spread} | {first} of {len(alarmed)} | "
          f"{sum(c['since_in_interval'] for c in hits)} of {len(hits)} | {sum(c['right'] for c in cases)} | {others} |")
print(f"\nWhere anything was alarmed, the first alert names the right thing in {named} of {raised}. Nothing put in: {sum(nothing)} alerts.")
