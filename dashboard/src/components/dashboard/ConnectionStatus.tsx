import type { Connection } from "@/lib/connection";

const LOOK: Record<Connection["state"], { label: string; dot: string }> = {
  connecting: { label: "Connecting…", dot: "bg-line-strong" },
  live: { label: "Live", dot: "bg-accent" },
  polling: { label: "Polling every 5 s", dot: "bg-warn" },
  refused: { label: "Too many requests", dot: "bg-danger" },
  failing: { label: "Server trouble", dot: "bg-danger" },
  offline: { label: "Offline", dot: "bg-danger" },
};

/** Whether the numbers are current, and if not, why. */
export function ConnectionStatus({ connection: { state, detail } }: { connection: Connection }) {
  const { label, dot } = LOOK[state];
  const isNormal = state === "live" || state === "connecting";
  return (
    <div
      role="status"
      data-testid="connection"
      data-connection={state}
      title={isNormal ? detail : undefined}
      className="max-w-md text-[13px] leading-5 text-muted tabular-nums sm:text-right"
    >
      <span className="inline-flex items-center gap-2">
        <span className="relative flex size-2" aria-hidden="true">
          {state === "live" && (
            <span className="absolute inset-0 animate-ping rounded-full bg-accent opacity-40 [animation-duration:2.4s]" />
          )}
          <span className={`relative size-2 rounded-full transition-colors ${dot}`} />
        </span>
        <span className={isNormal ? "" : "font-medium text-ink"}>{label}</span>
      </span>
      <span className={isNormal ? "sr-only" : "block text-xs leading-4 text-balance"}>
        <span className="sr-only">. </span>
        {detail}
      </span>
    </div>
  );
}
