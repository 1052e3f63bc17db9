"""The report on one device as a page: HTML that stands alone, for the screen and for paper.

No script, nothing that is loaded from elsewhere. Everything is escaped where it is put in: names come
from the devices, and whoever owns a domain chooses its name.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from string import Formatter
from typing import Any

type Texts = Mapping[str, str]

_NOTHING = "\N{EN DASH}"

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: start; vertical-align: top; padding: 0.25rem 0.5rem 0.25rem 0; overflow-wrap: anywhere; }
tr { border-bottom: 1px solid #8886; } th { font-weight: 600; }
td.number { text-align: end; white-space: nowrap; }
summary { cursor: pointer; } .small { font-size: 0.85rem; opacity: 0.8; }
bdi { unicode-bidi: isolate; }
@media print {
  body { margin: 0; max-width: none; font-size: 11pt; } details > * { display: block; }
  details::details-content { content-visibility: visible; }
  h2 { break-after: avoid; } tr { break-inside: avoid; }
}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Escaping(Formatter):
    """Puts values into texts, escaped."""

    def format_field(self, value: object, format_spec: str) -> str:
        return _name(str(format(value, format_spec)))


def _name(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """Return a table of cells that are HTML already; the last `numbers` columns are figures."""
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="number">{cell}</td>' if place >= len(row) - numbers else f"<td>{cell}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Page:
    """One report in one language."""

    def __init__(self, report: Mapping[str, Any], texts: Texts, zone: tzinfo, language: str) -> None:
        """Write times in this zone."""
        self._report = report
        self._texts = texts
        self._zone = zone
        self._language = language
        self._format = _Escaping()

    def html(self) -> str:
        """Return the page."""
        title = escape(self._say_plain("title", name=self._report["device"]["name"]))
        sections = (
            self._identity(), self._talks(), self._unusual(), self._time_sync(), self._checks(),
            self._experiments(), self._changes(), self._captures(), self._advice(),
        )  # fmt: skip
        return (
            f'<!DOCTYPE html><html lang="{escape(self._language)}"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
            f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
            f'<p class="small">{self._say("made", time=self._time(self._report["made"]))}</p>'
            f"{''.join(sections)}</body></html>"
        )

    def _say(self, key: str, **values: object) -> str:
        """Return a text as HTML, with values that are escaped."""
        return self._format.vformat(self._texts[key], (), values)

    def _say_plain(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def _time(self, at: float | str | None) -> str:
        if at is None:
            return self._texts["never"]
        when = datetime.fromtimestamp(at, UTC) if isinstance(at, float | int) else datetime.fromisoformat(at)
        return when.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")

    def _size(self, count: float) -> str:
        for unit in ("B", "kB", "MB", "GB"):
            if count < 1000 or unit == "GB":  # noqa: PLR2004
                return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
            count /= 1000
        raise AssertionError

    def _section(self, key: str, *parts: str) -> str:
        return f"<section><h2>{escape(self._texts[key])}</h2>{''.join(parts)}</section>"

    def _paragraph(self, key: str, **values: object) -> str:
        return f"<p>{self._say(key, **values)}</p>"

    def _list(self, items: Iterable[str]) -> str:
        return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"

    def _more(self, key: str, content: str) -> str:
        return f"<details><summary>{escape(self._texts[key])}</summary>{content}</details>"

    def _heads(self, *keys: str) -> list[str]:
        return [self._texts[f"head_{key}"] for key in keys]

    def _identity(self) -> str:
        device = self._report["device"]
        rows = [
            (
                escape(self._texts[f"identity_{key}"]),
                _name(", ".join(value) if isinstance(value, list) else value),
            )
            for key in ("manufacturer", "model", "firmware", "hostname", "addresses", "mac")
            if (value := device[key])
        ]
        seen = self._paragraph(
            "seen", first=self._time(device["first_seen"]), last=self._time(device["last_seen"])
        )
        blocked = self._paragraph("is_blocked") if device["blocked"] else ""
        return self._section("what_it_is", seen, blocked, _table(self._heads("what", "value"), rows))

    def _talks(self) -> str:
        rows = self._report["destinations"]
        if not rows:
            return self._section("whom", self._paragraph("nobody"))
        summary = self._paragraph("talks_to", count=len(rows))
        if self._report["left_out"]:
            summary += self._paragraph("left_out", left_out=self._report["left_out"])
        said = _table(
            self._heads("destination", "why", "state"),
            (
                (
                    _name(row["destination"]),
                    self._say(f"why_{row['name_source'] or 'none'}") + self._purpose(row),
                    self._say(f"state_{row['state']}"),
                )
                for row in rows
            ),
        )
        figures = _table(
            self._heads("names", "service", "sent", "received", "connections", "unanswered", "last"),
            (
                (
                    _name(", ".join(row["names"] or row["addresses"])),
                    _name(f"{row['protocol']}/{row['port']}"),
                    self._size(row["sent_bytes"]),
                    self._size(row["received_bytes"]),
                    str(row["connections"]),
                    str(row["unanswered"]),
                    self._time(row["last_seen"]),
                )
                for row in rows
            ),
            numbers=5,
        )
        return self._section("whom", summary, said, self._more("figures", figures))

    def _purpose(self, row: Mapping[str, Any]) -> str:
        kind = row["connectivity_check"]
        return f" {self._say(f'check_{kind}')}" if kind else ""

    def _unusual(self) -> str:
        found = self._report["unusual"]
        if not found:
            return self._section("unusual", self._paragraph("nothing_unusual"))
        items = (
            self._say(f"unusual_{each['code']}", destination=each["destination"], count=each["count"])
            for each in found
        )
        return self._section("unusual", self._list(items))

    def _time_sync(self) -> str:
        sync = self._report["time_sync"]
        if sync is None:
            return self._section("time_sync", self._paragraph("no_time_sync"))
        total = sync["total"]
        parts = [self._paragraph("time_servers", count=len(sync["servers"]), requests=total["requests"])]
        if total["intervals"]:
            share = total["share_below_64_s_without_burst"]
            parts.append(
                self._paragraph(
                    "time_intervals", mean=f"{total['mean']:.0f}", median=f"{total['median']:.0f}",
                    share="0" if share is None else f"{100 * share:.0f}",
                )
            )  # fmt: skip
        parts += [self._paragraph(f"time_{code}") for code in sync["advice"]]
        table = _table(
            self._heads("server", "requests", "mean", "median", "short"),
            (
                (
                    _name(server["server"]),
                    str(server["requests"]),
                    _figure(server["mean"]),
                    _figure(server["median"]),
                    _percent(server["share_below_64_s_without_burst"]),
                )
                for server in sync["servers"]
            ),
            numbers=4,
        )
        return self._section("time_sync", *parts, self._more("figures", table))

    def _checks(self) -> str:
        checks = self._report["checks"]
        if not checks:
            return self._section("checks", self._paragraph("no_checks"))
        items = (f"{_name(each['name'])}: {self._say('check_' + each['kind'])}" for each in checks)
        return self._section("checks", self._list(items))

    def _experiments(self) -> str:
        found = self._report["experiments"]
        if not found:
            return self._section("experiments", self._paragraph("no_experiments"))
        return self._section("experiments", *(self._experiment(each) for each in found))

    def _experiment(self, experiment: Mapping[str, Any]) -> str:
        attempts = experiment["attempts"]
        unusual = [each["destination"] for each in attempts if not each["usual"]]
        said = self._paragraph(
            f"experiment_{experiment['kind']}", time=self._time(experiment["started"]), count=len(attempts)
        )
        ordered = _table(
            self._heads("after", "destination", "service", "answer", "times"),
            (
                (
                    f"{each['after']:.0f} s",
                    _name(each["destination"])
                    + (
                        f" <small>{self._say('check_' + kind)}</small>"
                        if (kind := each["connectivity_check"])
                        else ""
                    ),
                    _name(f"{each['protocol']}/{each['port']}"),
                    self._say(f"answer_{each['answer']}"),
                    str(each["count"]),
                )
                for each in attempts
            ),
            numbers=1,
        )
        only_then = self._paragraph("only_then", names=", ".join(dict.fromkeys(unusual))) if unusual else ""
        return said + ordered + only_then

    def _changes(self) -> str:
        changes = self._report["changes"]
        if changes is None:
            return self._section("changes", self._paragraph("no_changes"))
        before, after = (changes[key] for key in ("before", "after"))
        parts = [
            self._paragraph(
                "compared", before=_title(before), after=_title(after),
                before_hours=before["exposure_hours"], after_hours=after["exposure_hours"],
            )
        ]  # fmt: skip
        for key in ("names_gone", "names_new"):
            names = ", ".join(each["name"] for each in changes[key])
            parts.append(self._paragraph(key if names else f"no_{key}", names=names))
        parts += [self._paragraph(f"caveat_{code}") for code in changes["warnings"]]
        table = _table(
            self._heads("what", "before", "after"),
            (
                (escape(self._texts[f"per_day_{key}"]), _amount(before[key]), _amount(after[key]))
                for key in ("sent_bytes_per_day", "received_bytes_per_day", "time_requests_per_day")
            ),
            numbers=2,
        )
        return self._section("changes", *parts, self._more("figures", table))

    def _captures(self) -> str:
        captures = self._report["captures"]
        if not captures:
            return ""
        rows = (
            (self._time(each["began"]), _name(each["file"]), str(each["packets"]), self._size(each["bytes"]))
            for each in captures
        )
        return self._section(
            "captures", _table(self._heads("time", "file", "packets", "size"), rows, numbers=2)
        )

    def _advice(self) -> str:
        return self._section(
            "advice", self._list(self._say(f"advice_{code}") for code in self._report["advice"])
        )


def _title(period: Mapping[str, Any]) -> str:
    return str(period["label"] or period["firmware"] or period["period"])


def _figure(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.0f} s"


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.0f} %"


def _amount(value: int | None) -> str:
    return _NOTHING if value is None else f"{value:,}"
