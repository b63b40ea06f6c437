import type { Metadata } from "next";
import { AuthFrame } from "../AuthFrame";
import { mailWay } from "../destination";
import { ForgotForm } from "./ForgotForm";

export const metadata: Metadata = { title: "Forgot your password?" };

export default function ForgotPasswordPage() {
  return (
    <AuthFrame>
      <ForgotForm mailWay={mailWay()} />
    </AuthFrame>
  );
}
