/** Time zones by their IANA names, as far as this Node or browser knows them. */

/** The name if there is such a zone, else null. */
export function knownTimeZone(name: unknown): string | null {
  if (typeof name !== "string" || !/^[A-Za-z][\w+/-]{1,63}$/.test(name)) return null;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    return null;
  }
}

/** Where this browser is. */
export function browserTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Every zone to choose from, by region; the present one is among them. */
export function timeZonesByRegion(present: string): [region: string, zones: string[]][] {
  const zones = [...new Set(["UTC", present, ...Intl.supportedValuesOf("timeZone")])].sort();
  return [...Map.groupBy(zones, (zone) => (zone.includes("/") ? zone.replace(/\/.*/, "") : "Other"))];
}

/** The date on a calendar in this zone: `2026-03-01`. */
export function dayIn(zone: string, moment: Date): string {
  // Canadian English writes dates as ISO 8601 does.
  return moment.toLocaleDateString("en-CA", { timeZone: knownTimeZone(zone) ?? "UTC" });
}

/** What a clock in this zone shows: `17:00`. */
export function timeIn(zone: string, moment: Date): string {
  const timeZone = knownTimeZone(zone) ?? "UTC";
  return moment.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });
}

/** Date and time in this zone: `1 Mar 2026, 17:00`. */
export function momentIn(zone: string, moment: Date): string {
  const timeZone = knownTimeZone(zone) ?? "UTC";
  const date = moment.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone,
  });
  return `${date}, ${timeIn(zone, moment)}`;
}
