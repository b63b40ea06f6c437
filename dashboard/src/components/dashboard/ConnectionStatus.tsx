import type { Connection } from "@/hooks/useDashboard";

const SAYS: Record<Connection, { text: string; detail: string; dot: string }> = {
  connecting: { text: "Connecting…", detail: "Changes will appear by themselves.", dot: "bg-line-strong" },
  live: { text: "Live", detail: "Changes appear as they happen.", dot: "bg-accent" },
  polling: {
    text: "Polling every 5 s",
    detail: "The live connection is away; the numbers are read every five seconds.",
    dot: "bg-warn",
  },
  offline: {
    text: "Offline",
    detail: "The server cannot be reached; these are the last known numbers.",
    dot: "bg-danger",
  },
};

/** Whether the numbers are current, and how they are kept so. */
export function ConnectionStatus({ connection }: { connection: Connection }) {
  const { text, detail, dot } = SAYS[connection];
  return (
    <span
      role="status"
      data-testid="connection"
      data-connection={connection}
      title={detail}
      className="inline-flex items-center gap-2 text-[13px] text-muted tabular-nums"
    >
      <span className="relative flex size-2" aria-hidden="true">
        {connection === "live" && (
          <span className="absolute inset-0 animate-ping rounded-full bg-accent opacity-40 [animation-duration:2.4s]" />
        )}
        <span className={`relative size-2 rounded-full transition-colors ${dot}`} />
      </span>
      {text}
      <span className="sr-only">. {detail}</span>
    </span>
  );
}
