import type { ReactNode } from "react";
import { Logo } from "./Logo";

/** A page with one message: what happened, and what to do next. */
export function MessagePage(props: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col justify-center gap-5 px-6 py-16">
      <Logo />
      <h1 className="mt-4 text-2xl font-semibold tracking-tight text-balance">{props.title}</h1>
      <div className="grid gap-3 text-[15px] leading-relaxed text-muted">{props.children}</div>
      {props.action && <div className="mt-2 flex gap-3">{props.action}</div>}
    </main>
  );
}
