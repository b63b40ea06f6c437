import { personTimeZone } from "@/lib/api/server";

/** A date in the person's time zone. */
export async function Moment({ at }: { at: Date }) {
  const timeZone = await personTimeZone();
  return (
    <time dateTime={at.toISOString()} title={at.toISOString()}>
      {at.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric", timeZone })}
    </time>
  );
}
