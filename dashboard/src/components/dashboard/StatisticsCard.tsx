interface Props {
  /** Stable name for tests and styles: total, pending, completed, shared. */
  name: string;
  label: string;
  /** Undefined until the first numbers arrive. */
  value?: number;
  /** Text below the number. */
  caption: string;
}

const number = new Intl.NumberFormat("en");

/** One number. A new value is animated without moving anything around it. */
export function StatisticsCard({ name, label, value, caption }: Props) {
  return (
    <div data-testid={`statistic-${name}`} className="bg-surface px-5 py-5 sm:px-6">
      <dt className="text-[13px] font-medium text-muted">{label}</dt>
      <dd className="mt-2">
        {value === undefined ? (
          <span className="block h-10 w-16 animate-pulse rounded-md bg-raised" />
        ) : (
          <span
            key={value}
            data-testid="value"
            className="block h-10 animate-rise text-4xl leading-10 font-semibold tracking-tight tabular-nums"
          >
            {number.format(value)}
          </span>
        )}
        <span data-testid="caption" className="mt-2 block h-5 text-[13px] text-muted">
          {value !== undefined && caption}
        </span>
      </dd>
    </div>
  );
}
