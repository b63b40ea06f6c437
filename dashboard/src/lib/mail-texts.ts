import type { Mail } from "./mail";
import { settings } from "./settings";

/** The messages that this server sends. They are plain text, and contain nothing that a sender could choose. */

export function signUpMail(to: string, link: string): Mail {
  return {
    to,
    subject: "Confirm your e-mail address for Taskdeck",
    text: paragraphs(
      `Somebody, probably you, wants to create a Taskdeck account with this address at ${settings().dashboardUrl}.`,
      `Open this link to confirm it, within ${lifetime()}:`,
      link,
      "If it was not you, ignore this message: without the link there is no account.",
    ),
  };
}

export function existingAccountMail(to: string): Mail {
  const { dashboardUrl } = settings();
  return {
    to,
    subject: "You already have a Taskdeck account",
    text: paragraphs(
      `Somebody, probably you, wanted to create a Taskdeck account with this address at ${dashboardUrl}. You have one.`,
      `Sign in: ${dashboardUrl}/sign-in`,
      `If you have forgotten your password, choose a new one: ${dashboardUrl}/forgot-password`,
      "If it was not you, ignore this message: nothing has changed.",
    ),
  };
}

export function verificationMail(to: string, link: string): Mail {
  return {
    to,
    subject: "Confirm your e-mail address for Taskdeck",
    text: paragraphs(
      `A Taskdeck account at ${settings().dashboardUrl} gave this address as its own.`,
      `If the account is yours, open this link in the browser in which you are signed in, within ${lifetime()}:`,
      link,
      "If it is not yours, ignore this message: without the link the address does not count.",
    ),
  };
}

export function passwordResetMail(to: string, link: string): Mail {
  return {
    to,
    subject: "Choose a new password for Taskdeck",
    text: paragraphs(
      `Somebody, probably you, asked for a new password for your Taskdeck account at ${settings().dashboardUrl}.`,
      `Open this link to choose one, within ${lifetime()}:`,
      link,
      "If it was not you, ignore this message: your password has not changed.",
    ),
  };
}

export function addressChangedMail(to: string): Mail {
  return {
    to,
    subject: "The e-mail address of your Taskdeck account has changed",
    text: paragraphs(
      `Your Taskdeck account at ${settings().dashboardUrl} now has another e-mail address.`,
      "If it was not you who changed it, somebody else is signed in as you: tell whoever runs this server.",
    ),
  };
}

export function accountEndingMail(to: string, endsAt: Date): Mail {
  const { dashboardUrl } = settings();
  const day = endsAt.toLocaleString("en", { dateStyle: "full", timeStyle: "short", timeZone: "UTC" });
  return {
    to,
    subject: "Your Taskdeck account will be deleted",
    text: paragraphs(
      `You asked for your Taskdeck account at ${dashboardUrl} to be deleted with everything in it, on ${day} UTC.`,
      `To keep it, sign in before then: ${dashboardUrl}/settings`,
      "If it was not you who asked, sign in, keep the account, and choose a new password.",
    ),
  };
}

function paragraphs(...texts: string[]): string {
  return texts.join("\n\n");
}

/** How long links are valid: "1 hour", "90 seconds". */
export function lifetime(): string {
  const seconds = settings().linkSeconds;
  const [value, unit] =
    seconds % 3_600 === 0
      ? [seconds / 3_600, "hour"]
      : seconds % 60 === 0
        ? [seconds / 60, "minute"]
        : [seconds, "second"];
  return value.toLocaleString("en", { style: "unit", unit, unitDisplay: "long" });
}
