import { settings } from "./settings";

/** A path of this app; anything else would make the sign-in page an open redirect (CWE-601). */
export function localPath(next: unknown): string {
  const base = settings().dashboardUrl;
  if (typeof next !== "string" || next.length > 4_000 || !URL.canParse(next, base)) return "/dashboard";
  const url = new URL(next, base);
  return next.startsWith("/") && url.origin === base ? url.pathname + url.search : "/dashboard";
}
