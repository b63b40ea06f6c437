/** Why a call to the sign-in server failed; status 0 if it could not be reached. */
export interface Failure {
  status: number;
  code?: string;
  message?: string;
}

/** Call the sign-in server. A network error becomes a failure with status 0. */
export async function attempt<T>(call: () => Promise<{ data: T; error: Failure | null }>) {
  return call().catch(() => ({ data: null, error: { status: 0 } as Failure }));
}

const SENTENCES: Record<string, string> = {
  INVALID_EMAIL_OR_PASSWORD: "The e-mail or the password is not right. Check both and try again.",
  INVALID_PASSWORD: "The current password is not right. Check it and try again.",
  INVALID_TOKEN: "This link has expired or was used already. Ask for a new one.",
  LINK_EXPIRED: "This link has expired or was used already. Sign up again to get a new one.",
  ACCOUNT_EXISTS: "This address has an account already. Sign in instead.",
  PASSWORD_REQUIRED: "Choose a password to go on.",
  ACCOUNT_LIMIT:
    "Too many wrong passwords for this address. Wait ten minutes, or choose a new password by mail.",
  INVALID_CODE: "The code is not right. Enter the one that your app shows now.",
  CODE_USED: "This code was used already. Wait until your app shows the next one.",
  WRONG_ADDRESS: "That is not the address of this account. Check what you typed.",
  INVALID_BACKUP_CODE: "The recovery code is not right, or was used already.",
  INVALID_TWO_FACTOR_COOKIE: "Signing in took too long. Go back and sign in again.",
  TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE: "Too many wrong codes. Go back and sign in again.",
  ACCOUNT_TEMPORARILY_LOCKED: "Too many wrong codes. Wait 15 minutes and sign in again.",
  INVALID_SIGNATURE: "This request to connect has expired. Go back to your AI client and connect again.",
};

/** What to tell the person. */
export function errorMessage({ status, code, message }: Failure): string {
  const known = SENTENCES[code ?? message?.toUpperCase() ?? ""];
  if (known) return known;
  if (status === 429) return "Too many attempts. Wait ten seconds and try again.";
  if (code === "MAIL_FAILED" || code === "NO_MAIL") return message ?? "";
  if (status === 0 || status >= 500)
    return "The server cannot reach its database right now. Nothing was changed. Try again in a moment.";
  return message
    ? `${message}.`.replace(/\.\.$/, ".")
    : "That did not work. Check what you typed and try again.";
}
