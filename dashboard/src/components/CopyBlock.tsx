"use client";

import { Check, Copy } from "lucide-react";
import { useState } from "react";

/** Text to be pasted elsewhere, with a button that copies it. */
export function CopyBlock({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState(false);

  async function copy() {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  }

  const Icon = copied ? Check : Copy;
  return (
    <div className="relative">
      <pre className="rounded-lg border border-line bg-canvas py-3 pr-14 pl-4 font-mono text-[13px] leading-6 wrap-anywhere whitespace-pre-wrap">
        {text}
      </pre>
      <button
        type="button"
        onClick={copy}
        aria-label={copied ? "Copied" : `Copy ${label}`}
        className="absolute top-2 right-2 grid size-8 place-items-center rounded-md border border-line bg-surface text-muted hover:text-ink"
      >
        <Icon className={`size-4 ${copied ? "text-accent" : ""}`} aria-hidden="true" />
      </button>
      <span role="status" className="sr-only">
        {copied ? "Copied" : ""}
      </span>
    </div>
  );
}
