"""Figures of Pins and accounts, day by day.

Source: https://developers.pinterest.com/docs/api/v5/pins-analytics/ (v5).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from .twin_calls import NOT_PERMITTED, Caller, Refused
from .twin_login import PLACE
from .twin_pins import Pins
from .twin_world import SANDBOX

OF_VIDEO = (
    *("VIDEO_MRC_VIEW", "VIDEO_10S_VIEW", "QUARTILE_95_PERCENT_VIEW"),
    *("VIDEO_V50_WATCH_TIME", "VIDEO_START", "VIDEO_AVG_WATCH_TIME"),
)
LIFETIME = ("TOTAL_COMMENTS", "TOTAL_REACTIONS")
OF_PIN = (
    *("IMPRESSION", "OUTBOUND_CLICK", "PIN_CLICK", "SAVE", "SAVE_RATE"),
    *(*LIFETIME, "USER_FOLLOW", "PROFILE_VISIT", *OF_VIDEO),
)
OF_ACCOUNT = (
    *("ENGAGEMENT", "ENGAGEMENT_RATE", "IMPRESSION", "OUTBOUND_CLICK"),
    *("OUTBOUND_CLICK_RATE", "PIN_CLICK", "PIN_CLICK_RATE", "SAVE", "SAVE_RATE"),
)
#: how many impressions go on one of them
PER = {"SAVE": 30, "PIN_CLICK": 12, "OUTBOUND_CLICK": 60, "TOTAL_REACTIONS": 20}
PER |= {"TOTAL_COMMENTS": 120, "ENGAGEMENT": 8, "VIDEO_START": 4, "VIDEO_MRC_VIEW": 6}
DAYS = 90
#: A day's figures are complete after so many days.
COMPLETE_AFTER = 2


def count(metric: str, impressions: int) -> float:
    if metric == "IMPRESSION":
        return impressions
    if metric.endswith("_RATE"):
        return round(1 / PER[metric.removesuffix("_RATE")], 4) if impressions else 0.0
    return impressions // PER[metric] if metric in PER else 0


class Figures(Pins):
    @route("GET", f"{PLACE}/pins/<id>/analytics", call="GET /pins/:id/analytics")
    def pin_analytics(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._check_place(place)
            pin = self.own_pin(caller, id, scope="pins:read_secret")
            start, end = self._span(request)
            metrics = self._metrics(request, OF_PIN)
            if not pin["video"] and (wrong := set(metrics) & set(OF_VIDEO)):
                raise Refused(400, 400, f"{min(wrong)} is there for videos only.")
            found = self._days(start, end, metrics, [pin], "BEFORE_PIN_CREATED")
            seen = int(self.setting("impressions"))
            lifetime = {name: count(name, seen) for name in LIFETIME if name in metrics}
            return {"all": {**found, "lifetime_metrics": lifetime}}

        return self.api(request, place, "GET /pins/:id/analytics", work)

    @route("GET", f"{PLACE}/user_account/analytics", call="GET /user_account/analytics")
    def account_analytics(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._check_place(place)
            start, end = self._span(request)
            metrics = self._metrics(request, OF_ACCOUNT)
            is_business = caller.user["account_type"] == "BUSINESS"
            pins = self.pins_of(place, caller.id) if is_business else []
            why = "READY" if is_business else "BEFORE_BUSINESS_CREATED"
            return {"all": self._days(start, end, metrics, pins, why)}

        return self.api(request, place, "GET /user_account/analytics", work)

    def _check_place(self, place: str) -> None:
        if place == SANDBOX:
            raise Refused(403, 403, NOT_PERMITTED)

    def _today(self) -> date:
        return datetime.fromtimestamp(self.time(), UTC).date()

    def _span(self, request: Request) -> tuple[date, date]:
        """First and last day, in UTC."""
        try:
            start, end = (
                date.fromisoformat(request.args.get(name, ""))
                for name in ("start_date", "end_date")
            )
        except ValueError:
            text = "start_date and end_date are dates such as 2026-01-05."
            raise Refused(400, 400, text) from None
        longest = timedelta(days=DAYS)
        if start < self._today() - longest or not start <= end <= start + longest:
            text = "start_date lies 90 days back at most, end_date 90 days after it."
            raise Refused(400, 400, text)
        return start, end

    def _metrics(self, request: Request, known: tuple[str, ...]) -> list[str]:
        metrics = [m for m in request.args.get("metric_types", "").split(",") if m]
        wrong = [name for name in metrics if name not in known]
        if wrong or not metrics:
            text = f"metric_types must be among {', '.join(known)}."
            raise Refused(400, 400, text)
        return metrics

    def _days(
        self,
        start: date,
        end: date,
        metrics: list[str],
        pins: Iterable[Doc],
        before: str,
    ) -> Doc:
        """before: data_status of the days before the first Pin."""
        per_pin = int(self.setting("impressions"))
        seen: dict[date, int] = {}
        for pin in pins:
            day = datetime.fromtimestamp(pin["created_at"], UTC).date()
            seen[day] = seen.get(day, 0) + per_pin
        daily = [m for m in metrics if m not in LIFETIME]
        rows, total = [], 0
        for number in range((end - start).days + 1):
            day = start + timedelta(days=number)
            status, shown = self._status(day, seen, before), {}
            if status == "READY":
                shown = {name: count(name, seen.get(day, 0)) for name in daily}
                total += seen.get(day, 0)
            row = {"date": day.isoformat(), "data_status": status, "metrics": shown}
            rows.append(row)
        summary = {name: count(name, total) for name in daily}
        return {"daily_metrics": rows, "summary_metrics": summary}

    def _status(self, day: date, seen: dict[date, int], before: str) -> str:
        if not seen or day < min(seen):
            return before
        is_complete = day < self._today() - timedelta(days=COMPLETE_AFTER)
        return "READY" if is_complete else "PROCESSING"
