/** Loads what is not needed for the first picture. */

export type More = typeof import("./more");

let loading: Promise<More> | undefined;

export function loadMore(): Promise<More> {
  loading ??= import("./more");
  // After a failure the next who asks tries again.
  loading.catch(() => (loading = undefined));
  return loading;
}

/** When the page has nothing better to do. */
export function whenIdle(run: () => void): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(run, { timeout: 3000 });
  else setTimeout(run, 500);
}
