import type { Usage } from "@/lib/api/dashboard";

type Limit = Usage["limits"][number];

/** How much of each limit is used. `usage` is missing if it cannot be read. */
export function UsageList({ usage }: { usage?: Usage }) {
  return (
    <div>
      <h2 className="text-sm font-medium">Usage</h2>
      {usage ? (
        <ul className="mt-3 grid gap-4">
          {usage.limits.map((limit) => (
            <Row key={limit.kind} limit={limit} />
          ))}
        </ul>
      ) : (
        <p role="alert" className="mt-1.5 text-[13px] leading-relaxed text-muted">
          The task server cannot say it right now. Reload the page in a moment.
        </p>
      )}
    </div>
  );
}

function Row({ limit: { kind, used, limit } }: { limit: Limit }) {
  const name = kind.charAt(0).toUpperCase() + kind.slice(1);
  if (typeof limit !== "number")
    return (
      <li className="flex justify-between gap-3 text-sm">
        <span>{name}</span>
        <span className="text-muted">unlimited</span>
      </li>
    );
  const share = Math.min(1, (used ?? 0) / limit);
  return (
    <li className="grid gap-1.5 text-sm">
      <span className="flex justify-between gap-3">
        <span>{name}</span>
        <span className={share > 0.9 ? "font-medium text-danger" : "text-muted"}>
          {(used ?? 0).toLocaleString("en")} of {limit.toLocaleString("en")}
        </span>
      </span>
      <span
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={limit}
        aria-valuenow={Math.min(used ?? 0, limit)}
        className="block h-1.5 overflow-hidden rounded-full bg-raised"
      >
        {/* The content security policy allows no style attributes. */}
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" className="block size-full" aria-hidden="true">
          <rect width={share} height="1" className={share > 0.9 ? "fill-danger" : "fill-accent"} />
        </svg>
      </span>
    </li>
  );
}
