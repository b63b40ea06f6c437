"use client";

import Link from "next/link";
import { Button } from "@/components/Button";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { ReadState } from "@/components/ReadState";
import { Attribution } from "@/components/tasks/Attribution";
import { EditableText } from "@/components/tasks/EditableText";
import { TaskConversations } from "@/components/tasks/TaskConversations";
import { Subtasks } from "@/components/tasks/Subtasks";
import { TaskFields } from "@/components/tasks/TaskFields";
import { TaskHistory } from "@/components/tasks/TaskHistory";
import { TickButton } from "@/components/tasks/TickButton";
import { useToast } from "@/components/Toast";
import { useClientNames } from "@/hooks/useActivity";
import { type TaskState, useTask } from "@/hooks/useTask";
import { useUndo } from "@/hooks/useUndo";
import { type BridgeError, type TaskChange, writeBridge } from "@/lib/api/dashboard";
import { refusalOf } from "@/lib/tasks";

interface Props {
  id: number;
  me: string;
  initial?: TaskState;
  initialNames: Record<string, string>;
}

/** A task: every field is edited in place; below it are its subtasks and its history. */
export function TaskClient({ id, me, initial, initialNames }: Props) {
  const { state, error, connection, save, more, refresh, retry } = useTask(id, initial);
  const history = state && "history" in state ? state.history : undefined;
  const names = useClientNames(history, initialNames);
  const [toast, show] = useToast();
  const undo = useUndo(show, refresh);

  async function change(wanted: TaskChange): Promise<void> {
    const { next_occurrence: next } = await save(wanted);
    if (next)
      show({
        text: (
          <>
            Completed. The next one is due {next.due}:{" "}
            <Link href={`/tasks/${next.id}`} className="font-semibold underline underline-offset-2">
              {next.title}
            </Link>
          </>
        ),
      });
  }

  function choose(wanted: TaskChange): void {
    change(wanted).catch((refusal: BridgeError) => show({ text: refusalOf(refusal), tone: "problem" }));
  }

  async function act(method: "DELETE" | "POST", path: string, done: string, undoing?: () => void) {
    try {
      await writeBridge(method, `/tasks/${id}${path}`);
      show({ text: done, undo: undoing });
    } catch (refusal) {
      show({ text: refusalOf(refusal as BridgeError), tone: "problem" });
    }
    refresh();
  }
  const restore = () => void act("POST", "/restore", "The task is back.");
  const remove = () => void act("DELETE", "", "Deleted. It can be restored for 30 days.", restore);

  if (!state || error?.status === 404)
    return (
      <section className="rounded-2xl border border-line bg-surface shadow-card">
        {error?.status === 404 ? (
          <p className="px-6 py-16 text-center text-[15px] text-muted">
            You do not see this task any more: it was deleted, or is no longer shared with you.
          </p>
        ) : (
          <ReadState what="the task" error={error} onRetry={retry} />
        )}
      </section>
    );
  if ("deleted" in state)
    return (
      <section className="rounded-2xl border border-line bg-surface px-6 py-16 text-center shadow-card">
        <h1 className="text-xl font-semibold tracking-tight wrap-anywhere">
          <bdi className="line-through decoration-line-strong">{state.title}</bdi>
        </h1>
        <p className="mt-2 text-sm text-muted">
          This task is deleted. It can be restored for 30 days after that, with its subtasks and shares.
        </p>
        <Button className="mt-6" onClick={restore}>
          Restore
        </Button>
        {toast}
      </section>
    );

  const mayEdit = state.access !== "view";
  const zone = state.timezone ?? "UTC";
  return (
    <article>
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <nav aria-label="Above this task" className="min-w-0 text-sm text-muted wrap-anywhere">
          {state.team_name && <bdi>{state.team_name} / </bdi>}
          {state.parent_id && (
            <>
              <Link href={`/tasks/${state.parent_id}`} className="hover:text-ink hover:underline">
                <bdi>{state.parent_title}</bdi>
              </Link>{" "}
              /
            </>
          )}
        </nav>
        <ConnectionStatus connection={connection} />
      </div>
      <div className="mt-2 grid grid-cols-[minmax(0,1fr)] items-start gap-x-10 gap-y-8 lg:grid-cols-[minmax(0,1fr)_17rem] lg:grid-rows-[auto_1fr]">
        <div className="min-w-0">
          <h1 className="sr-only">
            <bdi>{state.title}</bdi>
          </h1>
          <div className="flex items-start gap-3">
            <TickButton
              status={state.status}
              title={state.title}
              disabled={!mayEdit}
              onTick={(status) => choose({ status })}
              className="mt-1.5"
            />
            <EditableText
              label="Title"
              value={state.title}
              mayEdit={mayEdit}
              maxLength={500}
              onSave={(title) => change({ title })}
              className={`text-2xl leading-8 font-semibold tracking-tight ${state.status === "completed" ? "text-muted" : ""}`}
            />
          </div>
          {history?.[0] && <Attribution change={history[0]} names={names} onUndo={undo} />}
          <div className="mt-5">
            <EditableText
              label="Description"
              value={state.description ?? ""}
              mayEdit={mayEdit}
              multiline
              onSave={(text) => change({ description: text || null })}
              className="min-h-20 text-[15px] leading-relaxed"
            />
          </div>
        </div>
        <TaskFields task={state} me={me} zone={zone} mayEdit={mayEdit} onChange={choose} onDelete={remove} />
        <div className="min-w-0 lg:col-start-1">
          <Subtasks task={state} mayEdit={mayEdit} onDone={refresh} show={show} />
          <TaskConversations conversations={state.conversations} />
          <TaskHistory
            changes={state.history}
            hasMore={Boolean(state.history_cursor)}
            more={more}
            names={names}
            zone={zone}
            onUndo={undo}
          />
        </div>
      </div>
      {toast}
    </article>
  );
}
