/** The look of every menu. */
export const menuPopup =
  "max-h-96 min-w-56 max-w-80 animate-appear overflow-y-auto rounded-xl border border-line bg-surface p-1.5 shadow-card outline-none";

export const menuItem =
  "flex h-9 cursor-default items-center gap-2.5 rounded-md px-2.5 text-sm outline-none select-none data-highlighted:bg-raised";
