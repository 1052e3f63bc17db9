/** The table as a file for a spreadsheet. */

import { Flag, type TablePage, type TableRow } from "./contract";

const HEADINGS =
  "device,destination,name,protocol,port,status,sent,received,first,last,connections,unanswered,blocked,name_source";

/** Quoted as RFC 4180 has it; what a spreadsheet would take for a formula gets an apostrophe in front. */
export function cell(value: string | number | null): string {
  let text = String(value ?? "");
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

const status = (flags: number): string =>
  (["new", "blocked", "failed", "learning", "allowed"] as const)
    .filter((name) => flags & Flag[name])
    .join(" ");

const time = (at: number): string => new Date(at * 1000).toISOString();

function line(names: Record<string, string>, row: TableRow): string {
  const [device, group, host, protocol, port, flags, sent, received, first, last, ...counts] = row;
  return [
    names[device] ?? device,
    group,
    host,
    protocol,
    port,
    status(flags),
    sent,
    received,
    time(first),
    time(last),
    ...counts,
  ]
    .map(cell)
    .join(",");
}

export async function csv(read: (offset: number) => Promise<TablePage>): Promise<string> {
  const lines = [HEADINGS];
  for (let offset = 0; ;) {
    const { rows, devices, total } = await read(offset);
    for (const row of rows) lines.push(line(devices, row));
    offset += rows.length;
    if (!rows.length || offset >= total) break;
  }
  return lines.join("\r\n") + "\r\n";
}

export function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
