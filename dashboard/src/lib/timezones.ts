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

/** A day in words: `Sunday, 1 March 2026`. */
export function dayText(day: string): string {
  return new Date(day).toLocaleDateString("en-GB", {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });
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

/** The moment at which a clock in this zone shows `time` (17:00) on `date`, with its offset (2026-03-01T17:00:00+01:00). */
export function momentAt(zone: string, date: string, time: string): string {
  const wall = Date.parse(`${date}T${time}Z`);
  // The second round matters near a clock change: the first takes the offset of another moment.
  const near = wall - offsetAt(zone, wall);
  const offset = offsetAt(zone, wall - offsetAt(zone, near)) / 60_000;
  const pad = (minutes: number) => String(minutes).padStart(2, "0");
  const size = Math.abs(offset);
  return `${date}T${time}:00${offset < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** How far clocks in this zone are ahead of UTC at a moment, both in milliseconds. */
function offsetAt(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat("en", {
    timeZone: knownTimeZone(zone) ?? "UTC",
    timeZoneName: "longOffset",
  }).formatToParts(at);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
}

/** How many minutes clocks in this zone are ahead of UTC at a moment. */
export function offsetMinutes(zone: string, at: Date): number {
  return offsetAt(zone, at.getTime()) / 60_000;
}
