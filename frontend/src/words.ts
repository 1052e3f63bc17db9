/** Words, numbers and times in the user's language and form. */

import type { Hass, Localize } from "./hass";
import type { Text } from "./texts";

type Values = Record<string, string | number>;
/** Texts that exist as `…_one` and `…_other`. */
type Counted = { [K in Text]: K extends `${infer Base}_other` ? Base : never }[Text];

const NUMBER_LANGUAGE: Record<string, string> = {
  comma_decimal: "en-US",
  decimal_comma: "de",
  space_comma: "fr",
  quote_decimal: "de-CH",
};
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const DURATION_UNITS: [unit: string, seconds: number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
/** Around a text whose own first letter says which way it runs. */
const ISOLATE = "\u2068";
const END = "\u2069";
/** Characters that do not print or that turn the writing direction: names come from the network. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export const plain = (text: string): string => text.replace(UNPRINTABLE, "\ufffd");

export const plainList = (texts: string[]): string => texts.map(plain).join(", ");

/** A function that finds texts in the user's language; Home Assistant itself falls back on English. */
export const learn = (hass: Hass): Promise<Localize> => hass.loadBackendTranslation("common", "spin");

export class Words {
  readonly language: string;
  private readonly numbers: Intl.NumberFormat;
  private readonly units = new Map<string, Intl.NumberFormat>();
  private readonly plural: Intl.PluralRules;
  private readonly clock: Intl.DateTimeFormat;
  private readonly date: Intl.DateTimeFormat;
  private readonly dateTime: Intl.DateTimeFormat;
  private readonly numberLanguage: string;
  /** Where the page runs from right to left, texts may be in English all the same. */
  private readonly isTurned = globalThis.document?.dir === "rtl";

  constructor(
    hass?: Pick<Hass, "language" | "locale" | "config">,
    private readonly localize: Localize = () => "",
  ) {
    this.language = hass?.language ?? "en";
    const locale = hass?.locale;
    this.numberLanguage = NUMBER_LANGUAGE[locale?.number_format ?? ""] ?? this.language;
    this.numbers = new Intl.NumberFormat(this.numberLanguage);
    this.plural = new Intl.PluralRules(this.language);
    const zone = locale?.time_zone === "server" ? hass?.config?.time_zone : undefined;
    const hours = locale?.time_format;
    const time: Intl.DateTimeFormatOptions = {
      hour: hours === "24" ? "2-digit" : "numeric",
      minute: "2-digit",
      ...(hours === "12" || hours === "24" ? { hourCycle: hours === "12" ? "h12" : "h23" } : {}),
      ...(zone ? { timeZone: zone } : {}),
    };
    const day: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
    this.clock = new Intl.DateTimeFormat(this.language, { ...time, second: "2-digit" });
    this.date = new Intl.DateTimeFormat(this.language, {
      weekday: "long",
      ...day,
      ...(zone ? { timeZone: zone } : {}),
    });
    this.dateTime = new Intl.DateTimeFormat(this.language, { ...day, ...time });
  }

  t(key: Text, values: Values = {}): string {
    return this.find(key, values) || key;
  }

  /** A text for something that the server named, or the given one where there is none for it. */
  named(prefix: string, name: string, values: Values = {}, otherwise = name): string {
    return this.find(`${prefix}_${name}`, values) || otherwise;
  }

  /** A text that counts something. */
  n(base: Counted, count: number, values: Values = {}): string {
    const form = this.plural.select(count) === "one" ? "one" : "other";
    return this.t(`${base}_${form}` as Text, { count: this.number(count), ...values });
  }

  private find(key: string, values: Values): string {
    return this.isolated(this.localize(`component.spin.common.${key}`, values));
  }

  private isolated(text: string): string {
    return text && this.isTurned ? `${ISOLATE}${text}${END}` : text;
  }

  number(value: number): string {
    return this.numbers.format(value);
  }

  percent(part: number): string {
    return this.unit("percent", { style: "percent" }, part);
  }

  bytes(value: number): string {
    const step = value < 1000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), BYTE_UNITS.length - 1);
    const scaled = value / 1000 ** step;
    const digits = step > 0 && scaled < 9.95 ? 1 : 0;
    return this.unit(
      `${BYTE_UNITS[step]}${digits}`,
      {
        style: "unit",
        unit: BYTE_UNITS[step]!,
        unitDisplay: step ? "short" : "long",
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      },
      scaled,
    );
  }

  /** In the largest unit that says it well: 5 days, 90 minutes, 64 seconds. */
  duration(seconds: number): string {
    const fits = (parts: number): boolean =>
      parts >= 3 || (parts >= 1 && Math.abs(parts / Math.round(parts) - 1) < 0.05);
    const [unit, size] = DURATION_UNITS.find(([, size]) => fits(seconds / size)) ?? ["second", 1];
    return this.unit(
      unit,
      { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 },
      Math.round(seconds / size),
    );
  }

  time(at: number): string {
    return this.isolated(this.clock.format(at * 1000));
  }

  day(at: number): string {
    return this.isolated(this.date.format(at * 1000));
  }

  moment(at: number): string {
    return this.isolated(this.dateTime.format(at * 1000));
  }

  private unit(key: string, options: Intl.NumberFormatOptions, value: number): string {
    let format = this.units.get(key);
    if (!format) {
      format = new Intl.NumberFormat(this.numberLanguage, options);
      this.units.set(key, format);
    }
    return this.isolated(format.format(value));
  }
}

/** What a port stands for, to a person. */
const SERVICES: Record<string, Text> = {
  "tcp 443": "service_https",
  "udp 443": "service_https",
  "tcp 80": "service_http",
  "udp 53": "service_dns",
  "tcp 53": "service_dns",
  "tcp 853": "service_dns",
  "udp 123": "service_ntp",
  "tcp 8883": "service_mqtt",
  "tcp 1883": "service_mqtt",
  "tcp 5222": "service_push",
  "tcp 5223": "service_push",
  "tcp 5228": "service_push",
  "tcp 25": "service_mail",
  "tcp 465": "service_mail",
  "tcp 587": "service_mail",
  "tcp 993": "service_mail",
  "tcp 22": "service_ssh",
  "tcp 23": "service_telnet",
  "tcp 554": "service_video",
  "udp 3478": "service_call",
  "udp 19302": "service_call",
  "udp 51820": "service_vpn",
  "udp 500": "service_vpn",
  "udp 4500": "service_vpn",
  "icmp 0": "service_ping",
  "icmpv6 0": "service_ping",
};

export function service(words: Words, protocol: string, port: number): string {
  const key = SERVICES[`${protocol} ${port}`];
  return key ? words.t(key) : port ? `${protocol} ${port}` : protocol;
}
