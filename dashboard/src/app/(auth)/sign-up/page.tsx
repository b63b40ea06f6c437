import type { Metadata } from "next";
import { headers } from "next/headers";
import { becomesLocalOwner } from "@/lib/local-owner";
import { AuthForm } from "../AuthForm";
import { AuthFrame } from "../AuthFrame";
import { afterSignIn, mailWay, signInProviders } from "../destination";

export const metadata: Metadata = { title: "Create account" };

export default async function SignUpPage({ searchParams }: PageProps<"/sign-up">) {
  const isLocalOwner = await becomesLocalOwner(await headers()).catch(() => false);
  return (
    <AuthFrame>
      <AuthForm
        mode="sign-up"
        next={await afterSignIn(await searchParams)}
        providers={signInProviders()}
        mailWay={mailWay()}
        isLocalOwner={isLocalOwner}
      />
    </AuthFrame>
  );
}
