"use client";

import type { BridgeError } from "@/lib/api/dashboard";
import { Button } from "./Button";

/** What stands where a list will be: grey lines while it is read, or why it cannot be read. */
export function ReadState({
  what,
  error,
  onRetry,
}: {
  what: string;
  error?: BridgeError;
  onRetry: () => void;
}) {
  if (!error)
    return (
      <div className="grid gap-5 px-6 py-6" aria-busy="true" aria-label={`Reading ${what}`} role="status">
        {["w-3/4", "w-1/2", "w-2/3", "w-1/3"].map((width) => (
          <div key={width} className={`h-4 animate-pulse rounded bg-raised ${width}`} />
        ))}
      </div>
    );
  return (
    <div role="alert" className="px-6 py-12 text-center">
      <p className="text-sm text-muted">{error.message} This page tries again by itself.</p>
      <Button className="mt-4" look="secondary" onClick={onRetry}>
        Try again now
      </Button>
    </div>
  );
}
