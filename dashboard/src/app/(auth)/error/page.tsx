import type { Metadata } from "next";
import Link from "next/link";
import { buttonClass } from "@/components/Button";
import { MessagePage } from "@/components/MessagePage";

export const metadata: Metadata = { title: "Not connected" };

const AGAIN = "Go back to your AI client, remove Taskdeck there, and connect it again.";
const EXPLANATIONS: Record<string, [title: string, text: string]> = {
  invalid_client: [
    "Taskdeck does not know this client",
    `The program that sent you here is not registered, or its registration was removed. ${AGAIN}`,
  ],
  client_disabled: [
    "This client is switched off",
    "Whoever runs this server has switched it off. Ask them why.",
  ],
  invalid_redirect: [
    "The way back to this client is not the registered one",
    `For your safety nothing was sent to it. ${AGAIN}`,
  ],
  too_many_requests: [
    "Too many tries in a short time",
    "Wait a minute, then go back to your AI client and connect again.",
  ],
  server_error: [
    "The server cannot do this right now",
    "It may not reach its database. Nothing was changed. Wait a moment, then connect again from your AI client.",
  ],
  access_denied: [
    "You did not give access",
    "Nothing was shared. You can close this page or sign in another way.",
  ],
  other_account: [
    "You are signed in with another account",
    "This link confirms an address of an account that is not the one you are signed in with. Sign out, then open the link again.",
  ],
  ADDRESS_TAKEN: [
    "This address belongs to another account",
    "Somebody has confirmed it for another account in the meantime. Nothing was changed.",
  ],
  account_not_linked: [
    "This e-mail belongs to another way of signing in",
    "Sign in the way you did the first time.",
  ],
};
const UNKNOWN: [string, string] = [
  "This could not be completed",
  `The request that brought you here was not complete or has expired. ${AGAIN}`,
];

export default async function OAuthErrorPage({ searchParams }: PageProps<"/error">) {
  const { error } = await searchParams;
  const code = typeof error === "string" ? error : "";
  const [title, text] = EXPLANATIONS[code] ?? UNKNOWN;
  return (
    <MessagePage
      title={title}
      action={
        <Link href="/dashboard" className={buttonClass("secondary")}>
          Go to the dashboard
        </Link>
      }
    >
      <p>{text}</p>
      {/^[a-z_]{1,60}$/i.test(code) && (
        <p className="text-[13px]">
          Code: <code className="font-mono">{code}</code>
        </p>
      )}
    </MessagePage>
  );
}
