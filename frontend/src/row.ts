/** What a row of the picture says. */

import { html } from "lit/html.js";
import { Flag } from "./contract";
import { icon, type Icon } from "./icons";
import { bytesOf, type Device, type Group, type Host } from "./model";
import { plain, service, type Words } from "./words";

export type Row = Device | Group | Host;
export type RowStatus = "new" | "blocked" | "failed";

export function rowStatus(flags: number): RowStatus | null {
  if (flags & Flag.blocked) return "blocked";
  if (flags & Flag.new) return "new";
  return flags & Flag.failed ? "failed" : null;
}

export const initial = (name: string): string => [...plain(name).trim()][0]?.toUpperCase() ?? "?";

type Say = (name: Icon, text: string) => unknown;
const say: Say = (name, text) => html`${icon(name)} <b>${text}</b>`;

function ofHost(words: Words, { flags, protocol, port }: Host): unknown[] {
  return [
    flags & Flag.new && say("new", words.t("new")),
    flags & Flag.blocked && say("blocked", words.t("blocked")),
    flags & Flag.failed && say("failed", words.t("failed")),
    service(words, protocol, port),
  ];
}

function ofDevice(words: Words, { flags, fresh, blocked, failed, groups }: Device): unknown[] {
  const cut = flags & Flag.blocked;
  return [
    cut && say("blocked", words.t("no_internet")),
    fresh && say("new", words.n("new", fresh)),
    !cut && blocked && say("blocked", words.n("blocked", blocked)),
    failed && say("failed", words.n("failed", failed)),
    flags & Flag.learning && say("learning", words.t("learning")),
    words.n("destinations", groups),
  ];
}

function ofGroup(words: Words, { flags, fresh, blocked, failed, devices }: Group): unknown[] {
  const part = { part: words.number(blocked), all: words.number(devices) };
  const partly = blocked < devices ? words.t("blocked_part", part) : words.t("blocked_partly");
  return [
    fresh && say("new", words.t("new")),
    blocked && say("blocked", flags & Flag.blocked ? words.t("blocked") : partly),
    failed && say("failed", words.t("failed")),
    words.n("devices", devices),
  ];
}

/** The second line: what is remarkable first, in words, so that it survives a narrow screen. */
export function second(words: Words, row: Row): unknown[] {
  const parts =
    "host" in row ? ofHost(words, row) : "name" in row ? ofDevice(words, row) : ofGroup(words, row);
  const amount = row.flags & Flag.quiet ? words.t("quiet") : words.bytes(bytesOf(row));
  return [...parts.filter(Boolean), amount].map(
    (part, index) => html`${index ? " · " : ""}<bdi>${part}</bdi>`,
  );
}
