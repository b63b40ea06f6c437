"use client";

import { Mail } from "lucide-react";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { useBridge } from "@/hooks/useBridge";
import type { Offers } from "@/lib/api/dashboard";

/** The way to the invitations, with how many wait for an answer. */
export function InvitationsLink() {
  const { data } = useBridge<Offers>("/invitations", "people");
  const waiting = data?.invitations.filter(({ status }) => status === "pending").length ?? 0;
  return (
    <Link
      href="/invitations"
      aria-current={usePathname() === "/invitations" ? "page" : undefined}
      aria-label={waiting ? `Invitations, ${waiting} waiting` : "Invitations"}
      className="relative grid size-8 place-items-center rounded-full text-muted transition-colors hover:bg-raised hover:text-ink aria-[current]:bg-raised aria-[current]:text-ink"
    >
      <Mail className="size-[18px]" strokeWidth={1.75} aria-hidden="true" />
      {waiting > 0 && (
        <span
          aria-hidden="true"
          className="absolute -top-0.5 -right-1 grid h-4 min-w-4 place-items-center rounded-full bg-accent px-1 text-[11px] leading-none font-semibold text-canvas tabular-nums"
        >
          {waiting}
        </span>
      )}
    </Link>
  );
}
