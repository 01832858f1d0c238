"""What the pages that look back are made of: addresses, days, pictures, times and names."""

from __future__ import annotations

import json

from connector.apps.perfex_crm.answers import read_error
from connector.model import Answer
from connector.store.rows import RunFilter
from connector.web.pages.asked import Asked
from connector.web.pages.drawing import bars, burn_down, latency, nice
from connector.web.pages.pictures import stretches
from connector.web.pages.telling import NOTES, Telling
from connector.web.pages.words import Words, words_of, zone_of
from tests.loaded import the_catalog

NOW = 1_800_000_000.0


def test_an_address_is_read_and_gives_itself_again() -> None:
    rome = zone_of("Europe/Rome")
    asked = Asked.of({"state": "failed", "q": " rossi ", "period": "day", "flow": ""}, NOW, rome)
    assert asked.runs == RunFilter(state="failed", mended=False, text="rossi", since=NOW - 86_400)
    assert asked.kept("period", state="parked") == {"state": "parked", "q": "rossi"}
    days = Asked.of({"period": "days", "from": "2026-10-25", "to": "2026-10-25"}, NOW, rome)
    assert days.until is not None
    assert days.since is not None
    assert days.until - days.since == 25 * 3_600, "summer time ends on that day"


def test_nonsense_in_an_address_is_left_out() -> None:
    given = {"state": "<script>", "period": "x", "event": "1e9", "first": "-1", "from": "soon"}
    assert Asked.of(given, NOW, None).runs == RunFilter()


def test_days_have_the_length_that_they_have_where_the_reader_is() -> None:
    autumn = 1_792_922_400.0  # 25 October 2026, 11:20 in Rome
    spans = stretches(autumn, 2, "day", zone_of("Europe/Rome"))
    assert [until - since for since, until in spans] == [86_400, 25 * 3_600]
    hours = stretches(autumn, 24, "hour", None)
    assert all(until - since == 3_600 for since, until in hours)
    assert hours[-1][0] <= autumn < hours[-1][1]


def test_bars_stand_on_each_other_and_inside() -> None:
    spans = [
        {"since": NOW, "accepted": 7, "ends": {"succeeded": 4, "failed": 2}, "seconds": None},
        {"since": NOW + 1, "accepted": 0, "ends": {}, "seconds": None},
    ]
    drawn = bars(spans)
    succeeded, failed = drawn["blocks"]
    assert failed["y"] + failed["height"] == succeeded["y"]
    assert succeeded["height"] == 2 * failed["height"]
    assert all(0 <= one["y"] <= 262 and one["x"] >= 0 for one in drawn["blocks"])
    assert drawn["total"] == 6
    assert latency(spans)["empty"]


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    took = {"p50": 0.2, "p95": 2.0, "p99": 20.0}
    spans = [{"since": NOW + n, "seconds": took if n != 2 else None} for n in range(5)]
    drawn = latency(spans)
    assert len(drawn["lines"]["p50"]) == 2
    places = [float(drawn["lines"][name][0].split()[0].split(",")[1]) for name in took]
    assert places == sorted(places, reverse=True), "longer is higher"


def test_a_month_burns_down() -> None:
    window = {"used": 10_000, "limit": 40_000, "resets_at": NOW + 86_400 * 20, "forecast": None}
    drawn = burn_down(window, NOW, NOW - 86_400 * 10)
    assert drawn is not None
    assert (drawn["left"], drawn["expected"], drawn["forecast"]) == (30_000, None, "")
    leads = {**window, "forecast": {"expected": 50_000}}
    assert (burn_down(leads, NOW, NOW - 1) or {})["expected"] == 0.0
    assert burn_down({**window, "resets_at": None}, NOW, NOW) is None


def test_the_month_burns_down_by_days() -> None:
    start = NOW - NOW % 86_400 - 2 * 86_400
    days = [{"start": start, "calls": 100}, {"start": start + 2 * 86_400, "calls": 50}]
    window = {"resets_at": start + 30 * 86_400, "limit": 1000, "used": 350, "days": days,
              "forecast": None}  # fmt: skip
    drawn = burn_down(window, NOW, start)
    assert drawn is not None
    heights = [float(one.partition(",")[2]) for one in drawn["used"].split()]
    full, empty = drawn["grid"][-1][0], drawn["grid"][0][0]
    left = [round((empty - one) / (empty - full) * 1000) for one in heights]
    # 200 were used by others before; a day without calls is level.
    assert left == [1000, 800, 700, 700, 650]


def test_scales_end_at_round_numbers() -> None:
    assert [nice(one) for one in (0, 3, 5, 11, 99, 1_001)] == [4, 4, 8, 20, 100, 2_000]


def test_what_the_engine_notes_is_known_in_every_language() -> None:
    english, italian = Telling(words_of("en")), Telling(words_of("it"))
    note = "found in the app as 12 and adopted"
    assert english.note(note) == "Found in the app as 12: adopted."
    assert italian.note(note) == "Trovata nell’app come 12: adottata."
    assert italian.note("what an app says") == "what an app says"
    assert len(NOTES) > 20


def test_times_are_told_where_the_reader_is() -> None:
    noon = 1_772_616_000.0  # 4 March 2026, 09:20 UTC
    assert words_of("it").in_zone("Europe/Rome").time(noon) == "10:20:00"
    assert words_of("en").in_zone("America/New_York").time(noon) == "04:20:00"
    plain = Words("en", {})
    assert plain.in_zone("Nowhere/At_All") is plain


def test_a_refused_field_is_told_by_its_name() -> None:
    body = {
        "status": False,
        "message": "Validation failed",
        "errors": {"company": "The Company is required."},
    }
    error = read_error(Answer(status=422, headers=(), body=json.dumps(body).encode()))
    assert error is not None
    kept = {**error.as_data(), "step": "create", "node": "perfex_crm.create_customer"}
    told = Telling(words_of("en"), the_catalog()).error(kept)
    assert told["message"].startswith("Perfex CRM did not accept the field “Company”: it is empty")
    italian = Telling(words_of("it"), the_catalog()).error(kept)
    assert italian["message"] == (
        "Perfex CRM non ha accettato il campo “Ragione sociale”: è vuoto e va compilato."
    )
    assert italian["issues"][0]["name"] == "Ragione sociale"
    assert italian["issues"][0]["message"].endswith("Con parole sue: “The Company is required.”")
    gone = Telling(words_of("en"), the_catalog()).error({**kept, "node": "gone.node"})
    assert "“company”" in gone["message"]
