"""Dates in Go's reference-time layouts (`2006-01-02 15:04:05`): reading and writing, in UTC.

`date_time` and `to_unix_time` take such layouts, and the expression language turns literals that match one of fourteen
of them into numbers. Only what those layouts use is known; anything else in a layout stands for itself.
"""

from __future__ import annotations

import calendar
import datetime

import re2

MONTHS = ("January", "February", "March", "April", "May", "June", "July",
          "August", "September", "October", "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_YEAR_ZERO = -62_167_219_200
_PARTS = re2.compile(
    r"January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|-07:00|-0700|\.0+|\.9+|01|02|03|04|05|06|15|_2|PM|pm|1|2|3|4|5"
)
_READ = {
    "January": "(?P<month_name>[A-Za-z]{3,9})", "Jan": "(?P<month_short>[A-Za-z]{3})",
    "Monday": "(?:[A-Za-z]{6,9})", "Mon": "(?:[A-Za-z]{3})", "MST": "(?:[A-Z]{3,4})",
    "2006": r"(?P<year>\d{4})", "06": r"(?P<year_short>\d{2})", "01": r"(?P<month>\d{2})", "1": r"(?P<month>\d{1,2})",
    "02": r"(?P<day>\d{2})", "2": r"(?P<day>\d{1,2})", "_2": r"(?P<day>[ \d]?\d)",
    "15": r"(?P<hour>\d{2})", "03": r"(?P<hour12>\d{2})", "3": r"(?P<hour12>\d{1,2})",
    "04": r"(?P<minute>\d{2})", "4": r"(?P<minute>\d{1,2})", "05": r"(?P<second>\d{2})", "5": r"(?P<second>\d{1,2})",
    "PM": "(?P<half>AM|PM)", "pm": "(?P<half>am|pm)",
    "Z07:00": r"(?P<zone>Z|[+-]\d{2}:\d{2})", "Z0700": r"(?P<zone>Z|[+-]\d{4})",
    "-07:00": r"(?P<zone>[+-]\d{2}:\d{2})", "-0700": r"(?P<zone>[+-]\d{4})",
}  # fmt: skip
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
DATE_LITERALS = (
    "Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006", "Mon Jan 02 15:04:05 -0700 2006", "3:04PM",
    "2006-01-02T15:04:05Z07:00", "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04:05-07:00",
    "2006-01-02T15Z0700", "2006-01-02T15:04Z0700", "2006-01-02T15:04:05Z0700",
)  # fmt: skip
DEFAULT_LAYOUTS = (
    "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05",
    "2006-01-02 15:04 Z07:00", "2006-01-02 15:04", "2006-01-02 Z07:00", "2006-01-02",
)  # fmt: skip
MAX_LAYOUT = 200


def _pattern(layout: str) -> re2.Pattern | None:
    parts: list[str] = []
    end = 0
    for match in _PARTS.finditer(layout):
        parts.append(re2.escape(layout[end : match.start()]))
        part = match.group()
        parts.append(_FRACTION if part[0] == "." else _READ[part])
        if part in ("05", "5") and not layout.startswith(".", match.end()):
            parts.append(_FRACTION)
        end = match.end()
    parts.append(re2.escape(layout[end:]))
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile("".join(parts), options)
    except re2.error:  # a part is named twice
        return None


_LITERAL_PATTERNS = tuple(pattern for layout in DATE_LITERALS if (pattern := _pattern(layout)))


def parse_date_literal(text: str) -> float | None:
    """The seconds that a literal stands for when it looks like a date, else None."""
    if not 6 <= len(text) <= 40 or not text.isascii() or not any(char.isdigit() for char in text):
        return None
    for pattern in _LITERAL_PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            seconds = _seconds(found)
            if seconds is not None:
                return float(int(seconds // 1))
    return None


def parse_date(layout: str, text: str) -> int | None:
    """Seconds since 1970 of `text` written in `layout`, None where it is not."""
    if len(layout) > MAX_LAYOUT or len(text) > MAX_LAYOUT:
        return None
    pattern = _pattern(layout)
    found = pattern.fullmatch(text) if pattern else None
    seconds = _seconds(found) if found else None
    return None if seconds is None else int(seconds // 1)


def _seconds(found: re2.Match) -> float | None:
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    month, day = _month(parts), int(parts.get("day", "1"))
    hour, minute, second = int(parts.get("hour", "0")), int(parts.get("minute", "0")), int(parts.get("second", "0"))
    if "hour12" in parts:
        hour = int(parts["hour12"])
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts.get("half", "AM").upper() == "PM" else 0)
    if month is None or hour > 23 or minute > 59 or second > 59:
        return None
    year = int(parts["year"]) if "year" in parts else _short_year(parts)
    if year == 0:
        if (month, day) != (1, 1):
            return None
        days = float(_YEAR_ZERO)
    elif 1 <= day <= calendar.monthrange(year, month)[1]:
        days = calendar.timegm((year, month, day, 0, 0, 0))
    else:
        return None
    return days + hour * 3600 + minute * 60 + second - _offset(parts.get("zone", "Z"))


def _month(parts: dict[str, str]) -> int | None:
    if "month" in parts:
        month = int(parts["month"])
        return month if 1 <= month <= 12 else None
    name = parts.get("month_name") or parts.get("month_short")
    if name is None:
        return 1
    for number, full in enumerate(MONTHS, 1):
        if name.lower() in (full.lower(), full[:3].lower()):
            return number
    return None


def _short_year(parts: dict[str, str]) -> int:
    if "year_short" not in parts:
        return 0
    year = int(parts["year_short"])
    return year + (1900 if year >= 69 else 2000)


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def format_date(layout: str, moment: datetime.datetime) -> str:
    """`moment` (UTC) in Go's `layout`."""
    parts: list[str] = []
    end = 0
    for found in _PARTS.finditer(layout):
        parts += (layout[end : found.start()], _write(found.group(), moment))
        end = found.end()
    return "".join(parts) + layout[end:]


def _write(part: str, moment: datetime.datetime) -> str:
    if part[0] == ".":
        digits = f"{moment.microsecond:06}000"[: len(part) - 1]
        kept = digits.rstrip("0") if part[1] == "9" else digits
        return f".{kept}" if kept else ""
    hour12 = moment.hour % 12 or 12
    return {
        "January": MONTHS[moment.month - 1], "Jan": MONTHS[moment.month - 1][:3],
        "Monday": DAYS[moment.weekday()], "Mon": DAYS[moment.weekday()][:3], "MST": "UTC",
        "2006": f"{moment.year:04}", "06": f"{moment.year % 100:02}", "01": f"{moment.month:02}", "1": f"{moment.month}",
        "02": f"{moment.day:02}", "2": f"{moment.day}", "_2": f"{moment.day:2}",
        "15": f"{moment.hour:02}", "03": f"{hour12:02}", "3": f"{hour12}",
        "04": f"{moment.minute:02}", "4": f"{moment.minute}", "05": f"{moment.second:02}", "5": f"{moment.second}",
        "PM": "PM" if moment.hour >= 12 else "AM", "pm": "pm" if moment.hour >= 12 else "am",
        "Z07:00": "Z", "Z0700": "Z", "-07:00": "+00:00", "-0700": "+0000",
    }[part]  # fmt: skip
