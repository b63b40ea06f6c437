"use client";

import { useRouter } from "next/navigation";
import { useEffect } from "react";

const CHANNEL = "taskdeck-session";

/** Reloads this page when another tab of the browser has signed out; it then leads to the sign-in page. */
export function SessionWatch() {
  const router = useRouter();
  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = () => router.refresh();
    return () => channel.close();
  }, [router]);
  return null;
}

/** Tells the other tabs of the browser that the session may have ended. */
export function announceSignOut(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("signed-out");
  channel.close();
}
