import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { settings } from "./settings";

/** Set on a request by this process alone: it comes from this machine, from the user who runs this process. */
export const OWN_USER_HEADER = "x-taskdeck-own-user";

/** What a proxy or tunnel adds: whoever is behind it is not at this machine. */
const FORWARDING = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

const ESTABLISHED = "01";
const ROOT = 0;

/** Tell later code whether a request is the own user's, whatever the request says of itself. */
export function markOwnUser(request: IncomingMessage): void {
  const { headers, url = "" } = request;
  delete headers[OWN_USER_HEADER];
  if (settings().localOwner && OF_INTEREST.test(url) && isOwnUser(request)) headers[OWN_USER_HEADER] = "1";
}

const OF_INTEREST = /^\/(sign-up|api\/auth\/(sign-up|callback))\b/;

function isOwnUser({ headers, socket }: IncomingMessage): boolean {
  if (FORWARDING.some((name) => name in headers)) return false;
  // A page of another site that got its name to lead here would send that name.
  if (!settings().dashboardOrigins.some((origin) => new URL(origin).host === headers.host)) return false;
  if (!/^(::ffff:)?127\./.test(socket.remoteAddress ?? "")) return false;
  // Only Linux tells who holds the other end; elsewhere loopback has to do.
  return process.platform !== "linux" || [ROOT, process.getuid?.()].includes(holderOfPeer(socket));
}

/** The user id of the program at the other end of a connection within this machine (proc(5), /proc/net/tcp). */
function holderOfPeer({ remoteAddress, remotePort, localAddress, localPort }: Socket): number | undefined {
  const [peer, own] = [end(remoteAddress, remotePort), end(localAddress, localPort)];
  for (const line of ["tcp", "tcp6"].flatMap(readTable)) {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    // A socket that its program has closed counts as root's: it has no inode any more.
    if (local?.endsWith(peer) && remote?.endsWith(own) && state === ESTABLISHED && inode !== "0")
      return Number(uid);
  }
  return undefined;
}

/** An end of a connection as the kernel lists it, also when it is IPv4 over an IPv6 socket. */
function end(address = "", port = 0): string {
  const bytes = address.replace("::ffff:", "").split(".").map(Number);
  return `${hexOf(bytes.reverse(), 2)}:${hexOf([port], 4)}`;
}

function hexOf(numbers: number[], digits: number): string {
  return numbers.map((number) => number.toString(16).padStart(digits, "0").toUpperCase()).join("");
}

function readTable(name: string): string[] {
  try {
    return readFileSync(`/proc/net/${name}`, "latin1").split("\n").slice(1);
  } catch {
    return [];
  }
}
