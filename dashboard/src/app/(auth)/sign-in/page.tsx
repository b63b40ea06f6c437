import type { Metadata } from "next";
import { AuthForm } from "../AuthForm";
import { AuthFrame } from "../AuthFrame";
import { afterSignIn, mailWay, signInProviders } from "../destination";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignInPage({ searchParams }: PageProps<"/sign-in">) {
  return (
    <AuthFrame>
      <AuthForm
        mode="sign-in"
        next={await afterSignIn(await searchParams)}
        providers={signInProviders()}
        mailWay={mailWay()}
      />
    </AuthFrame>
  );
}
