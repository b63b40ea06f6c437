import type { TrendDay } from "@/lib/api/dashboard";

/**
 * Tasks created and completed on each day, as pairs of bars.
 *
 * No chart library: the common ones are larger than the rest of the page, and the content security policy blocks their
 * inline styles in server-rendered HTML, but not SVG attributes. Screen readers get the table instead.
 */
export function TrendChart({ days }: { days: TrendDay[] }) {
  const top = roundUp(Math.max(2, ...days.flatMap(({ created, completed }) => [created, completed])));
  return (
    <>
      <div
        aria-hidden="true"
        className="grid h-full grid-cols-[auto_minmax(0,1fr)] grid-rows-[minmax(0,1fr)_auto] gap-x-3 gap-y-2 text-xs text-muted tabular-nums"
      >
        <div className="-my-2 flex flex-col justify-between text-right leading-4">
          {[top, top / 2, 0].map((value) => (
            <span key={value}>{value}</span>
          ))}
        </div>
        <div className="relative">
          <svg className="absolute inset-0 size-full overflow-visible">
            {[0, 50, 100].map((percent) => (
              <line
                key={percent}
                x1="0"
                x2="100%"
                y1={`${percent}%`}
                y2={`${percent}%`}
                className="stroke-line"
              />
            ))}
            {days.map((day, index) => (
              <Bars key={day.date} day={day} slot={100 / days.length} index={index} top={top} />
            ))}
          </svg>
          <div className="absolute inset-0 flex">
            {days.map((day, index) => (
              <Readout key={day.date} day={day} side={index < days.length / 2 ? "left-0" : "right-0"} />
            ))}
          </div>
        </div>
        <div className="col-start-2 flex leading-4 whitespace-nowrap">
          {days.map(({ date }, index) => (
            <DayLabel key={date} date={date} back={days.length - 1 - index} />
          ))}
        </div>
      </div>
      <TrendTable days={days} />
    </>
  );
}

function Bars({ day, slot, index, top }: { day: TrendDay; slot: number; index: number; top: number }) {
  const pairs = [
    { value: day.created, offset: 0.24, look: "fill-bar" },
    { value: day.completed, offset: 0.52, look: "fill-accent" },
  ];
  return pairs.map(({ value, offset, look }) => (
    <rect
      key={look}
      x={`${slot * (index + offset)}%`}
      y={`${100 - (100 * value) / top}%`}
      width={`${slot * 0.24}%`}
      height={`${(100 * value) / top}%`}
      rx="2"
      className={`transition-all duration-500 ${look}`}
    />
  ));
}

/** The figures of one day, on hover. */
function Readout({ day, side }: { day: TrendDay; side: string }) {
  return (
    <div className="group relative flex-1 rounded-md hover:bg-ink/5">
      <div
        className={`pointer-events-none absolute -top-1 z-10 hidden rounded-lg border border-line bg-surface px-3 py-2 text-[13px] whitespace-nowrap shadow-card group-hover:block ${side}`}
      >
        <div className="font-medium text-ink">{shortDay(day.date)}</div>
        {day.created} created · {day.completed} completed
      </div>
    </div>
  );
}

function DayLabel({ date, back }: { date: string; back: number }) {
  const shown = back % 4 === 0 ? "" : back % 2 === 0 ? "max-sm:invisible" : "invisible";
  return (
    <span className={`flex flex-1 justify-center ${shown} ${back === 0 ? "font-medium text-ink" : ""}`}>
      <span className="w-0 flex justify-center">{back === 0 ? "Today" : shortDay(date)}</span>
    </span>
  );
}

function TrendTable({ days }: { days: TrendDay[] }) {
  return (
    <div className="sr-only">
      <table>
        <caption>Tasks created and completed on each of the last 14 days</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">Created</th>
            <th scope="col">Completed</th>
          </tr>
        </thead>
        <tbody>
          {days.map(({ date, created, completed }) => (
            <tr key={date}>
              <th scope="row">{date}</th>
              <td>{created}</td>
              <td>{completed}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The next of 2, 4, 6, 8, 10, 12, 16, 20, 40, 60 …, all of which have a whole half. */
function roundUp(value: number): number {
  const steps = [2, 4, 6, 8, 10, 12, 16];
  for (let scale = 1; ; scale *= 10) {
    const step = steps.find((candidate) => candidate * scale >= value);
    if (step) return step * scale;
  }
}

function shortDay(date: string): string {
  return new Date(date).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });
}
