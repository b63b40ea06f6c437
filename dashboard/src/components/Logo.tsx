export function Logo() {
  return (
    <span className="inline-flex items-center gap-2.5 text-[15px] font-semibold tracking-tight">
      <svg viewBox="0 0 32 32" className="size-6" aria-hidden="true">
        <rect x="9" y="3" width="20" height="20" rx="6" className="fill-accent opacity-40" />
        <rect x="3" y="9" width="20" height="20" rx="6" className="fill-accent" />
        <path
          d="m8.5 19.3 3.4 3.4 6.2-7"
          fill="none"
          strokeWidth="2.8"
          strokeLinecap="round"
          strokeLinejoin="round"
          className="stroke-surface"
        />
      </svg>
      Taskdeck
    </span>
  );
}
