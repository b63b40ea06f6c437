import type { Metadata } from "next";
import { AuthFrame } from "../AuthFrame";
import { ResetForm } from "./ResetForm";

export const metadata: Metadata = { title: "Choose a new password" };

export default async function ResetPasswordPage({ searchParams }: PageProps<"/reset-password">) {
  const { token } = await searchParams;
  return (
    <AuthFrame>
      <ResetForm token={typeof token === "string" ? token : ""} />
    </AuthFrame>
  );
}
