import { APIError } from "better-auth/api";
import { createTransport, type Transporter } from "nodemailer";
import { settings } from "./settings";

export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** There is no way to send mail, or the mail server did not take it. The message is for the person. */
export class MailError extends Error {}

const TIMEOUT_MS = 8_000;

let transport: Transporter | undefined;

/** Send mail by the configured way, which may be the terminal. Throws MailError. */
export async function sendMail(mail: Mail): Promise<void> {
  const way = settings().mail;
  if (!way) throw new MailError("This server cannot send mail.");
  if (way.way === "terminal") return print(mail);
  transport ??= createTransport(smtpOptions(way.url));
  try {
    await transport.sendMail({ ...mail, from: way.from });
  } catch (error) {
    console.error(`dashboard: mail cannot be sent: ${(error as Error).message}`);
    throw new MailError("The mail server did not accept the message. Try again in a few minutes.");
  }
}

/** Send mail within a request to Better Auth. Throws an APIError for the person. */
export async function deliver(mail: Mail): Promise<void> {
  try {
    await sendMail(mail);
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    throw new APIError("SERVICE_UNAVAILABLE", { code: "MAIL_FAILED", message: error.message });
  }
}

/** Send mail without letting the sender of the request wait, so that timing does not say whether there was any. */
export function sendMailLater(mail: Mail): void {
  sendMail(mail).catch((error: unknown) => {
    if (!(error instanceof MailError)) throw error;
  });
}

/** Standard output is not shown by `taskdeck up`; standard error is. */
function print({ to, subject, text }: Mail): void {
  console.error(`\nMail to ${to} (TASKDECK_SMTP_URL is not set): ${subject}\n${text.replace(/^/gm, "  ")}\n`);
}

function smtpOptions(url: string) {
  const { hostname, protocol, username } = new URL(url);
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return {
    url,
    // A password must not cross a network in clear text because somebody removed STARTTLS from the conversation.
    requireTLS: protocol === "smtp:" && username !== "" && !isLocal,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // Nothing in a message may name a file or an address to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
