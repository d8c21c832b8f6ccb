"""The checker sees each kind of violation when it is planted, and nothing in a sound trial."""

import pytest

from checker import check

SOUND = ([("a", "ok"), ("b", "unknown"), ("c", "ok"), ("d", "rejected"), ("e", "unknown")],
         [(0, "a"), (1, "b"), (2, "c")])


def test_sound_trial_has_no_violation():
    assert check(*SOUND) == []


@pytest.mark.parametrize("driven, journal, options, word", [
    (SOUND[0], [(0, "a"), (1, "b")], {}, "c was acknowledged and is lost"),
    (SOUND[0], [(0, "a"), (1, "c"), (2, "a")], {}, "a is doubled"),
    (SOUND[0], [(0, "a"), (1, "c"), (2, "x")], {}, "x at offset 2 was never sent"),
    (SOUND[0], [(1, "a"), (1, "c")], {}, "offset 1 follows 1"),
    (SOUND[0], [(0, "c"), (1, "a")], {"acked_offsets": {"a": 0}}, "a was acknowledged at 0 and is at 1"),
    (SOUND[0], [(0, "a")], {"retention": True}, "c was acknowledged and is lost"),
    (SOUND[0], [], {}, "a was acknowledged and is lost"),
    (SOUND[0] + [("a", "ok")], SOUND[1], {}, "a sent twice"),
    ([("a", "OK")], [(0, "a")], {}, "outcome 'OK'"),
], ids=["lost", "doubled", "never-sent", "offset-twice", "offset-moved", "retention-hole", "all-lost",
        "driver-twice", "driver-outcome"])
def test_planted_violation_is_seen(driven, journal, options, word):
    assert any(word in line for line in check(driven, journal, **options))


def test_retention_may_take_the_oldest_only():
    assert check(SOUND[0], [(2, "c")], retention=True) == []
