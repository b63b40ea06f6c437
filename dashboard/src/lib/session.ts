import "server-only";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";
import { DATABASE_UNAVAILABLE } from "./error-digests";

export interface Person {
  id: string;
  name: string;
  email: string;
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
  return session && { id: session.user.id, name: session.user.name, email: session.user.email };
});

/** The signed-in person; redirects to sign-in if there is none. Every protected page and action calls it. */
export async function requirePerson(): Promise<Person> {
  return (await currentPerson()) ?? redirect("/sign-in?reason=ended");
}
