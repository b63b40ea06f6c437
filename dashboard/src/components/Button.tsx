import type { ComponentProps } from "react";

const LOOKS = {
  primary: "bg-ink text-canvas hover:opacity-88",
  secondary: "border border-line bg-surface text-ink hover:bg-raised",
  danger: "bg-danger text-surface hover:opacity-88",
  quiet: "text-muted hover:bg-raised hover:text-ink",
};

/** The classes of a button, for links and library components that look like one. */
export function buttonClass(look: keyof typeof LOOKS = "primary"): string {
  return `inline-flex h-9 items-center justify-center gap-2 rounded-lg px-3.5 text-sm font-medium whitespace-nowrap transition select-none disabled:pointer-events-none disabled:opacity-55 ${LOOKS[look]}`;
}

export function Button({
  look,
  className = "",
  ...props
}: ComponentProps<"button"> & { look?: keyof typeof LOOKS }) {
  return <button type="button" {...props} className={`${buttonClass(look)} ${className}`} />;
}
