import type { AuthContext } from "better-auth";

/** RFC 2606 section 2: no mail can go to it. */
const RELEASED = "@released.invalid";

/**
 * Take an address that was never verified from an account, because somebody else has proven that it is theirs. The
 * account stays: its sessions, linked sign-ins and tasks are not the address's.
 */
export async function releaseAddress(
  userId: string,
  internalAdapter: AuthContext["internalAdapter"],
): Promise<void> {
  await internalAdapter.updateUser(userId, {
    email: `${userId.toLowerCase()}${RELEASED}`,
    emailVerified: false,
  });
}

/** The address of a person; null if the account has lost one that it had never verified. */
export function addressOf({ email }: { email: string }): string | null {
  return email.endsWith(RELEASED) ? null : email;
}
