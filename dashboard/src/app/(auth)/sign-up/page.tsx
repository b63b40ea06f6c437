import type { Metadata } from "next";
import { AuthForm } from "../AuthForm";
import { AuthFrame } from "../AuthFrame";
import { afterSignIn, signInProviders } from "../destination";

export const metadata: Metadata = { title: "Create account" };

export default async function SignUpPage({ searchParams }: PageProps<"/sign-up">) {
  return (
    <AuthFrame>
      <AuthForm mode="sign-up" next={await afterSignIn(await searchParams)} providers={signInProviders()} />
    </AuthFrame>
  );
}
