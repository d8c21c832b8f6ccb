"""Judges a crash trial: what the driver was told against what the journal holds.

The driver logs each request as (id, outcome): "ok" = answered 2xx, "rejected" = answered otherwise,
"unknown" = sent, no answer seen. The journal is a list of (offset, id). Written apart from the
program and in another language on purpose; its own tests plant each violation it must see.

    checker.py DRIVER.log JOURNAL.log     lines "ID OUTCOME" and "OFFSET ID"; prints violations
"""

import sys

OUTCOMES = ("ok", "rejected", "unknown")


def check(driven, journal, retention=False, acked_offsets=None):
    """All violations, as strings.

    driven: pairs (id, outcome). journal: pairs (offset, id) in the order read.
    retention: the oldest records may have been deleted: an acknowledged one may be missing, but only
    when everything before it is missing too. acked_offsets: {id: offset} as told to the client.
    """
    bad = []
    sent = {}
    order = {}
    for i, (key, outcome) in enumerate(driven):
        if outcome not in OUTCOMES:
            bad.append(f"driver: outcome {outcome!r} of {key}")
        if key in sent:
            bad.append(f"driver: {key} sent twice")
        sent[key] = outcome
        order[key] = i
    seen = {}
    last = None
    for offset, key in journal:
        if last is not None and offset <= last:
            bad.append(f"offset {offset} follows {last}")
        last = offset
        if key in seen:
            bad.append(f"{key} is doubled: offsets {seen[key]} and {offset}")
            continue
        seen[key] = offset
        if key not in sent:
            bad.append(f"{key} at offset {offset} was never sent")
        if acked_offsets and acked_offsets.get(key, offset) != offset:
            bad.append(f"{key} was acknowledged at {acked_offsets[key]} and is at {offset}")
    first_kept = min((order[k] for k in seen if k in order), default=None)
    for key, outcome in sent.items():
        if outcome != "ok" or key in seen:
            continue
        if retention and first_kept is not None and order[key] < first_kept:
            continue
        bad.append(f"{key} was acknowledged and is lost")
    return bad


def main(driver, journal):
    with open(driver, encoding="utf-8") as f:
        driven = [tuple(line.split()[:2]) for line in f if line.strip()]
    with open(journal, encoding="utf-8") as f:
        held = [(int(line.split()[0]), line.split()[1]) for line in f if line.strip()]
    bad = check(driven, held)
    for line in bad:
        print(line)
    print(f"{len(driven)} sent, {sum(o == 'ok' for _, o in driven)} acknowledged, {len(held)} held, "
          f"{len(bad)} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
