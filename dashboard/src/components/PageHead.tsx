import type { ReactNode } from "react";

export function PageHead({ title, children }: { title: string; children: ReactNode }) {
  return (
    <header>
      <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
      <p className="mt-2 max-w-2xl text-[15px] leading-relaxed text-muted">{children}</p>
    </header>
  );
}
