import { CircleAlert, Info } from "lucide-react";
import type { ReactNode } from "react";

/** A message in the flow of a page. A problem is announced to screen readers at once. */
export function Notice({ tone = "info", children }: { tone?: "info" | "problem"; children: ReactNode }) {
  const problem = tone === "problem";
  const Icon = problem ? CircleAlert : Info;
  return (
    <div
      role={problem ? "alert" : "status"}
      className={`flex animate-appear gap-2.5 rounded-lg px-3.5 py-3 text-sm ${
        problem ? "bg-danger-soft text-danger" : "bg-raised text-ink"
      }`}
    >
      <Icon className="mt-0.5 size-4 shrink-0" aria-hidden="true" />
      <div className="min-w-0">{children}</div>
    </div>
  );
}
