/** The part of Home Assistant's `hass` object that the card uses, and what it takes from the page. */

import type { Words } from "./words";

export interface Connection {
  subscribeMessage<T>(
    callback: (message: T) => void,
    request: Record<string, unknown>,
    options?: { resubscribe?: boolean },
  ): Promise<() => Promise<void> | void>;
  sendMessagePromise<T>(request: Record<string, unknown>): Promise<T>;
}

export type Localize = (key: string, values?: Record<string, string | number>) => string;

export interface RegistryEntity {
  entity_id: string;
  device_id?: string | null;
  platform?: string;
  translation_key?: string;
}

export interface RegistryDevice {
  id: string;
  name: string | null;
  name_by_user?: string | null;
  /** Seconds. */
  created_at?: number;
}

export interface Hass {
  connection: Connection;
  language: string;
  locale?: { language: string; number_format?: string; time_format?: string; time_zone?: string };
  config?: { time_zone?: string };
  user?: { is_admin: boolean };
  localize: Localize;
  entities?: Record<string, RegistryEntity>;
  devices?: Record<string, RegistryDevice>;
  loadBackendTranslation(category: string, integration: string): Promise<Localize>;
  callService(
    domain: string,
    service: string,
    data?: Record<string, unknown>,
    target?: { device_id?: string[]; entity_id?: string },
    notifyOnError?: boolean,
  ): Promise<unknown>;
}

/** A new `hass` comes with every change of any state; whether this one changes anything that is drawn. */
export function matters(now?: Hass, before?: Hass): boolean {
  return (
    !now ||
    !before ||
    now.connection !== before.connection ||
    now.language !== before.language ||
    now.locale !== before.locale ||
    now.localize !== before.localize ||
    now.user?.is_admin !== before.user?.is_admin
  );
}

/** For what is asked without a card that has one. */
export const theHass = (): Hass =>
  (document.querySelector("home-assistant") as unknown as { hass: Hass }).hass;

export function navigate(path: string): void {
  history.pushState(null, "", path);
  window.dispatchEvent(new CustomEvent("location-changed", { detail: { replace: false } }));
}

/** What a failed request says to a person: the server's translated text; of a lost connection there is a number. */
export function reason(error: unknown, words: Words): string {
  if (typeof error === "number") return words.t("connection_lost");
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === "string" && message ? message : String(error);
}
