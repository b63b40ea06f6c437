import { Circle, CircleCheck, CircleDot } from "lucide-react";

/** How a status looks and is called. */
export const STATUS = {
  pending: { Icon: Circle, label: "Pending", look: "text-line-strong" },
  in_progress: { Icon: CircleDot, label: "In progress", look: "text-warn" },
  completed: { Icon: CircleCheck, label: "Completed", look: "text-accent" },
};

export type Status = keyof typeof STATUS;

export const PRIORITIES = ["urgent", "high", "medium", "low"] as const;
