/** A day, the same on the server and in the browser whatever their time zones. */
export function Moment({ at }: { at: Date }) {
  return (
    <time dateTime={at.toISOString()} title={at.toISOString()}>
      {at.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" })}
    </time>
  );
}
