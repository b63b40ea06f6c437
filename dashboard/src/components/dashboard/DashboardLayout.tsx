import type { ReactNode } from "react";
import type { Person } from "@/lib/session";
import { Logo } from "../Logo";
import { InvitationsLink } from "../people/InvitationsLink";
import { AccountMenu } from "./AccountMenu";
import { CommandKey } from "./CommandKey";
import { EndingNotice } from "./EndingNotice";
import { Navigation } from "./Navigation";
import { SessionWatch } from "./SessionWatch";

/** The frame of every protected page: navigation, account menu, content. */
export function DashboardLayout({ person, children }: { person: Person; children: ReactNode }) {
  return (
    <>
      <SessionWatch />
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-ink focus:px-3 focus:py-2 focus:text-sm focus:text-canvas"
      >
        Skip to the content
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-canvas sm:bg-canvas/85 sm:backdrop-blur-md">
        <div className="mx-auto flex h-14 max-w-6xl items-center gap-3 px-4 sm:gap-8 sm:px-6">
          <Logo />
          <Navigation />
          <div className="ml-auto flex items-center gap-3">
            <CommandKey />
            <InvitationsLink />
            <AccountMenu name={person.name} email={person.email ?? "No e-mail address"} />
          </div>
        </div>
      </header>
      {person.endsAt && <EndingNotice endsAt={person.endsAt} />}
      <main id="content" className="mx-auto max-w-6xl px-4 pt-8 pb-24 sm:px-6 sm:pt-10">
        {children}
      </main>
    </>
  );
}
