import { Download } from "lucide-react";
import { buttonClass } from "@/components/Button";
import { Notice } from "@/components/Notice";

const PROBLEMS: Record<string, string> = {
  busy: "Another download is still running. Try again when it is finished.",
  failed: "The download could not begin: the task server cannot be reached. Try again in a moment.",
};

/** What a person may do with all that is theirs. `problem` is why the last download did not begin. */
export function YourData({ problem }: { problem?: string }) {
  return (
    <div className="grid gap-4">
      <div>
        <h2 className="text-sm font-medium">Your data</h2>
        <p className="mt-1.5 text-[13px] leading-relaxed text-muted">
          One ZIP file with your tasks, conversations, teams, shares and history: JSON lines for programs, and
          each conversation as Markdown to read.
        </p>
      </div>
      {/* Not a Link: the answer is a file, not a page. */}
      <a href="/api/export" className={`${buttonClass("secondary")} justify-self-start`}>
        <Download className="size-4" aria-hidden="true" />
        Download everything
      </a>
      {problem && <Notice tone="problem">{PROBLEMS[problem] ?? PROBLEMS.failed}</Notice>}
    </div>
  );
}
