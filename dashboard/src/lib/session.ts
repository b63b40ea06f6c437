import "server-only";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";
import { DATABASE_UNAVAILABLE } from "./error-digests";
import { addressOf } from "./unverified";

export interface Person {
  id: string;
  name: string;
  /** Null if somebody else has proven that the account's unverified address is theirs. */
  email: string | null;
  emailVerified: boolean;
  /** Whether signing in with a password takes a second factor. */
  hasSecondFactor: boolean;
  /** When the account is to be deleted, if the person wants that. */
  endsAt: Date | null;
}

/** The signed-in person, or null. Throws an error with the digest DATABASE_UNAVAILABLE if the session cannot be read. */
export const currentPerson = cache(async (): Promise<Person | null> => {
  const session = await auth()
    .api.getSession({ headers: await headers() })
    .catch((cause: unknown) => {
      throw Object.assign(new Error("The session cannot be read", { cause }), {
        digest: DATABASE_UNAVAILABLE,
      });
    });
  if (!session) return null;
  const { id, name, emailVerified, twoFactorEnabled } = session.user;
  return {
    id,
    name,
    email: addressOf(session.user),
    emailVerified,
    hasSecondFactor: Boolean(twoFactorEnabled),
    endsAt: session.user.endsAt ?? null,
  };
});

/** The signed-in person; redirects to sign-in if there is none. Every protected page and action calls it. */
export async function requirePerson(): Promise<Person> {
  return (await currentPerson()) ?? redirect("/sign-in?reason=ended");
}
