import { Check, Circle } from "lucide-react";
import type { ReactNode } from "react";
import { Logo } from "@/components/Logo";

/** The frame of the sign-in pages: the form, and on wide screens a picture of the product beside it. */
export function AuthFrame({ children }: { children: ReactNode }) {
  return (
    <div className="grid min-h-dvh lg:grid-cols-[minmax(0,1fr)_minmax(0,1.1fr)]">
      <main className="mx-auto flex w-full max-w-sm flex-col px-6 py-10 lg:justify-center">
        <div className="mb-14">
          <Logo />
        </div>
        {children}
      </main>
      <aside
        aria-hidden="true"
        className="hidden items-center justify-center border-l border-line bg-raised p-12 lg:flex"
      >
        <Picture />
      </aside>
    </div>
  );
}

function Picture() {
  return (
    <div className="grid w-full max-w-md gap-4 text-sm">
      <p className="max-w-[80%] justify-self-end rounded-2xl rounded-br-md bg-ink px-4 py-2.5 text-canvas">
        Put the dentist on my list for Friday, and tick off the invoice.
      </p>
      <p className="max-w-[80%] justify-self-start rounded-2xl rounded-bl-md border border-line bg-surface px-4 py-2.5">
        Done. You have four things left this week.
      </p>
      <div className="mt-4 rounded-2xl border border-line bg-surface shadow-card">
        <div className="grid grid-cols-3 divide-x divide-line border-b border-line">
          {[
            ["Total", "12"],
            ["Pending", "4"],
            ["Completed", "8"],
          ].map(([label, value]) => (
            <div key={label} className="px-5 py-4">
              <div className="text-xs text-muted">{label}</div>
              <div className="mt-1 text-2xl font-semibold tracking-tight tabular-nums">{value}</div>
            </div>
          ))}
        </div>
        <div className="flex items-center gap-3 px-5 py-3.5">
          <Circle className="size-4 text-line-strong" />
          Book the dentist
          <span className="ml-auto text-xs text-muted">Friday</span>
        </div>
        <div className="flex items-center gap-3 border-t border-line px-5 py-3.5 text-muted">
          <Check className="size-4 rounded-full bg-accent p-0.5 text-surface" strokeWidth={3} />
          <span className="line-through decoration-line-strong">Send the invoice</span>
        </div>
      </div>
    </div>
  );
}
