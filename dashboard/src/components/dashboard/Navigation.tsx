"use client";

import { CircleCheckBig, History, MessagesSquare, Sun } from "lucide-react";
import Link from "next/link";
import { usePathname } from "next/navigation";

const PAGES = [
  { href: "/today", label: "Today", Icon: Sun },
  { href: "/tasks", label: "Tasks", Icon: CircleCheckBig },
  { href: "/conversations", label: "Conversations", Icon: MessagesSquare },
  { href: "/activity", label: "Activity", Icon: History },
];

/** Links to the pages: beside the logo, or along the bottom edge on a phone. The account menu has the others. */
export function Navigation() {
  const here = usePathname();
  return (
    <nav
      aria-label="Pages"
      className="fixed inset-x-0 bottom-0 z-20 flex justify-around border-t border-line bg-canvas pb-[env(safe-area-inset-bottom)] sm:static sm:justify-start sm:gap-1 sm:border-0 sm:bg-transparent sm:pb-0"
    >
      {PAGES.map(({ href, label, Icon }) => (
        <Link
          key={href}
          href={href}
          aria-current={here === href || here.startsWith(`${href}/`) ? "page" : undefined}
          className="flex flex-1 flex-col items-center gap-1 rounded-lg py-2 text-[11px] font-medium text-muted transition-colors hover:text-ink aria-[current]:text-ink sm:flex-none sm:flex-row sm:px-3 sm:py-1.5 sm:text-sm sm:hover:bg-raised sm:aria-[current]:bg-raised"
        >
          <Icon className="size-5 sm:hidden" strokeWidth={1.75} aria-hidden="true" />
          {label}
        </Link>
      ))}
    </nav>
  );
}
