"use server";

import { revalidatePath } from "next/cache";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { BridgeError } from "./api/dashboard";
import { setTimeZone } from "./api/server";
import { record } from "./audit-log";
import { auth } from "./auth";
import { disconnectClient } from "./grants";
import { requirePerson } from "./session";
import { endSession } from "./sessions";
import { createAccessToken, LIFETIMES_IN_DAYS, revokeAccessToken } from "./tokens";

/** End the session. `query` is a signed authorization request to continue under another account. */
export async function signOut(query = ""): Promise<never> {
  await auth().api.signOut({ headers: await headers() });
  redirect(query ? `/sign-in?${query}` : "/sign-in?reason=signed-out");
}

export async function disconnect(clientId: string): Promise<void> {
  const person = await requirePerson();
  await disconnectClient(person.id, clientId);
  revalidatePath("/clients");
}

/** Withdraw the wish to delete the account. */
export async function keepAccount(): Promise<void> {
  const { id } = await requirePerson();
  await (await auth().$context).internalAdapter.updateUser(id, { endsAt: null });
  await record(id, "account_kept");
  revalidatePath("/", "layout");
}

/** Sign another browser of the person out. */
export async function endBrowserSession(id: string): Promise<void> {
  await requirePerson();
  await endSession(id);
  revalidatePath("/settings");
}

export type NewToken = { name: string; secret: string } | { problem: string } | null;

/** Make a personal access token from the form on the page Tokens. */
export async function createToken(_previous: NewToken, form: FormData): Promise<NewToken> {
  const person = await requirePerson();
  const name = String(form.get("name") ?? "").trim();
  const days = Number(form.get("days"));
  if (name.length < 1 || name.length > 100)
    return { problem: "Give the token a name of up to 100 characters." };
  if (!LIFETIMES_IN_DAYS.includes(days)) return { problem: "Choose how long the token is to work." };
  try {
    const secret = await createAccessToken(person, { name, mayWrite: form.get("access") === "write", days });
    revalidatePath("/tokens");
    return { name, secret };
  } catch (error) {
    // SQLSTATE program_limit_exceeded: see taskdeck_pat_create.
    if ((error as { code?: string }).code === "54000")
      return { problem: "You have 50 tokens, which is the limit. Revoke one that you no longer need." };
    return { problem: "The token could not be saved. Nothing was made. Try again in a moment." };
  }
}

export type SavedTimeZone = { saved: string } | { problem: string } | null;

/** Set the person's time zone from the form on the page Settings. */
export async function saveTimeZone(_previous: SavedTimeZone, form: FormData): Promise<SavedTimeZone> {
  await requirePerson();
  const zone = String(form.get("timezone") ?? "");
  try {
    await setTimeZone(zone);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return { problem: `${error.message} Nothing was changed.` };
  }
  revalidatePath("/", "layout");
  return { saved: zone };
}

export async function revokeToken(id: string): Promise<void> {
  const person = await requirePerson();
  if (/^\d{1,18}$/.test(id)) await revokeAccessToken(person.id, id);
  revalidatePath("/tokens");
}
