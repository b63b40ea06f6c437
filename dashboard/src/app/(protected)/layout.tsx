import { DashboardLayout } from "@/components/dashboard/DashboardLayout";
import { requirePerson } from "@/lib/session";

export default async function ProtectedLayout({ children }: LayoutProps<"/">) {
  return <DashboardLayout person={await requirePerson()}>{children}</DashboardLayout>;
}
