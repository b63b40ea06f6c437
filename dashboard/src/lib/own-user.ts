import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { settings } from "./settings";

/** Marks a request from the operating-system user who runs this process. Only this process sets it. */
export const OWN_USER_HEADER = "x-taskdeck-own-user";

/** Headers that a proxy or tunnel adds: the sender may be on another machine. */
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

/** Mark a request of the own user, and unmark any other, whatever headers it carries. */
export function markOwnUser(request: IncomingMessage): void {
  const { headers, url = "" } = request;
  delete headers[OWN_USER_HEADER];
  const { localOwner, showsLinks } = settings();
  if ((localOwner || showsLinks) && MARKED_PATHS.test(url) && isOwnUser(request))
    headers[OWN_USER_HEADER] = "1";
}

const MARKED_PATHS = /^\/(sign-up|api\/auth\/(sign-up\/email|callback))\b/;

function isOwnUser({ headers, socket }: IncomingMessage): boolean {
  if (FORWARDING.some((name) => name in headers)) return false;
  // DNS rebinding: a page of another site would send that site's host name.
  if (!settings().dashboardOrigins.some((origin) => new URL(origin).host === headers.host)) return false;
  if (!/^(::ffff:)?127\./.test(socket.remoteAddress ?? "")) return false;
  // Only Linux says which user is at the other end; elsewhere loopback must suffice.
  return process.platform !== "linux" || [ROOT, process.getuid?.()].includes(peerUserId(socket));
}

/** The user id of the process at the other end of a loopback connection (proc(5), /proc/net/tcp). */
function peerUserId({ remoteAddress, remotePort, localAddress, localPort }: Socket): number | undefined {
  const peer = kernelAddress(remoteAddress, remotePort);
  const own = kernelAddress(localAddress, localPort);
  for (const line of ["tcp", "tcp6"].flatMap(readTable)) {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    // A socket that its process has closed is listed as root's, without an inode.
    if (local?.endsWith(peer) && remote?.endsWith(own) && state === ESTABLISHED && inode !== "0")
      return Number(uid);
  }
  return undefined;
}

/** A socket address as the kernel lists it, IPv4-mapped IPv6 included. */
function kernelAddress(address = "", port = 0): string {
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
