"use client";

import { KeyRound, LayoutDashboard, LogOut, Plug, Settings, Users } from "lucide-react";
import { useTheme } from "next-themes";
import Link from "next/link";
import { useHydrated } from "@/hooks/useHydrated";
import { expectSignOut } from "@/hooks/useLive";
import { signOut } from "@/lib/actions";
import { Button } from "../Button";

const PAGES = [
  { href: "/dashboard", label: "Dashboard", Icon: LayoutDashboard },
  { href: "/teams", label: "Teams", Icon: Users },
  { href: "/clients", label: "Clients", Icon: Plug },
  { href: "/tokens", label: "Tokens", Icon: KeyRound },
  { href: "/settings", label: "Settings", Icon: Settings },
];
const THEMES = ["system", "light", "dark"];

function leave() {
  expectSignOut();
  void signOut();
}

/** Who is signed in, the pages about their account, sign-out and the appearance. */
export function AccountMenu({ name, email }: { name: string; email: string }) {
  const { theme, setTheme } = useTheme();
  const hydrated = useHydrated();
  return (
    <>
      <button
        type="button"
        popoverTarget="account"
        aria-label="Account and appearance"
        className="grid size-8 place-items-center rounded-full bg-accent-soft text-[13px] font-semibold text-accent uppercase transition hover:brightness-95 dark:hover:brightness-125"
      >
        {[...(name || email)][0]}
      </button>
      <div
        id="account"
        popover="auto"
        role="dialog"
        aria-label="Account and appearance"
        className="fixed inset-auto top-[3.25rem] right-[max(1rem,calc((100vw-72rem)/2+1.5rem))] m-0 w-64 rounded-xl border border-line bg-surface p-4 text-ink shadow-card open:animate-appear"
      >
        <p className="truncate text-sm font-medium">{name}</p>
        <p className="truncate text-[13px] text-muted">{email}</p>
        <fieldset className="mt-4">
          <legend className="mb-1.5 text-xs text-muted">Appearance</legend>
          <div className="flex rounded-lg bg-raised p-0.5">
            {THEMES.map((value) => (
              <label
                key={value}
                className="flex-1 cursor-pointer rounded-md py-1.5 text-center text-[13px] font-medium text-muted capitalize outline-accent select-none has-checked:bg-surface has-checked:text-ink has-checked:shadow-sm has-focus-visible:outline-2"
              >
                <input
                  type="radio"
                  name="theme"
                  value={value}
                  checked={hydrated && theme === value}
                  onChange={() => setTheme(value)}
                  className="sr-only"
                />
                {value}
              </label>
            ))}
          </div>
        </fieldset>
        <div className="mt-4">
          {PAGES.map(({ href, label, Icon }) => (
            <Link
              key={href}
              href={href}
              onClick={() => document.getElementById("account")?.hidePopover()}
              className="flex items-center gap-2 rounded-lg px-3 py-2 text-sm font-medium hover:bg-raised"
            >
              <Icon className="size-4 text-muted" aria-hidden="true" />
              {label}
            </Link>
          ))}
        </div>
        <Button look="secondary" className="mt-2 w-full" onClick={leave}>
          <LogOut className="size-4 text-muted" aria-hidden="true" />
          Sign out
        </Button>
      </div>
    </>
  );
}
