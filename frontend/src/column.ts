/** One side of the picture: which rows stand above the cut, in an order that stays. */

import { isUrgent } from "./model";

/** What has to be seen may lengthen a column up to here. */
const MOST_ABOVE_CUT = 50;
/** How many "k more" adds at a tap, and what a picture holds at most: beyond that the table serves better. */
const STEP = 20;
export const MOST_ROWS = 120;

export interface Shown<Row> {
  rows: Row[];
  hidden: number;
}

export class Column {
  private order = new Map<string, number>();
  private shown = new Set<string>();
  private extra = 0;

  /** Rows in the frozen order, cut; what is new to the column goes last. `beyond` are rows that the server has left out. */
  arrange<Row extends { key: string; flags: number }>(
    rows: readonly Row[],
    limit: number,
    beyond: number,
    always?: string,
  ): Shown<Row> {
    for (const row of rows) if (!this.order.has(row.key)) this.order.set(row.key, this.order.size);
    const place = (row: Row): number => this.order.get(row.key)!;
    const ordered = [...rows].sort((a, b) => place(a) - place(b));
    const above: Row[] = [];
    ordered.forEach((row, index) => {
      const urgent = isUrgent(row.flags) && above.length < Math.max(MOST_ABOVE_CUT, limit + this.extra);
      if (index < limit + this.extra || urgent || this.shown.has(row.key) || row.key === always) {
        above.push(row);
        this.shown.add(row.key);
      }
    });
    return { rows: above, hidden: ordered.length - above.length + beyond };
  }

  expand(): void {
    this.extra = Math.min(this.extra + STEP, MOST_ROWS);
  }

  /** How many rows the column may need from the server. */
  wanted(limit: number): number {
    return limit + this.extra;
  }

  get isFull(): boolean {
    return this.extra >= MOST_ROWS;
  }

  /** Let the next rows come in the server's ranking. */
  reset(): void {
    this.order.clear();
    this.shown.clear();
    this.extra = 0;
  }
}
