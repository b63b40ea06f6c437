"use client";

import { useSearchParams } from "next/navigation";
import { Button } from "@/components/Button";
import { ConnectGuide } from "@/components/ConnectGuide";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { LatestTasks } from "@/components/dashboard/LatestTasks";
import { StatisticsCard } from "@/components/dashboard/StatisticsCard";
import { TeamSwitch } from "@/components/dashboard/TeamSwitch";
import { TrendChart } from "@/components/dashboard/TrendChart";
import { useDashboard } from "@/hooks/useDashboard";
import type { Snapshot } from "@/lib/api/dashboard";

interface Props {
  initial: { teamId: string | null; snapshot?: Snapshot };
  mcpUrl: string;
}

export function DashboardClient({ initial, mcpUrl }: Props) {
  const teamId = useSearchParams().get("team");
  const { snapshot, error, connection, retry } = useDashboard(
    teamId,
    teamId === initial.teamId ? initial.snapshot : undefined,
  );
  const { teams = [], team_count: teamCount = 0 } = snapshot ?? initial.snapshot ?? {};
  const noTeam = teamId !== null && error !== undefined && [403, 404, 422].includes(error.status);

  function switchTo(id: string | null) {
    window.history.replaceState(null, "", id ? `?team=${id}` : window.location.pathname);
  }

  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
        <TeamSwitch teams={teams} teamCount={teamCount} teamId={teamId} onSwitch={switchTo} />
        <ConnectionStatus connection={connection} />
      </div>
      {noTeam ? (
        <Failure
          title="You are not in this team"
          text="It does not exist, or you have left it. Ask one of its admins to add you."
          action="Show my tasks"
          onAction={() => switchTo(null)}
        />
      ) : error && !snapshot ? (
        <Failure
          title="The numbers cannot be read right now"
          text={`${error.message} Your tasks are safe. This page tries again by itself.`}
          action="Try again now"
          onAction={retry}
        />
      ) : (
        <Numbers snapshot={snapshot} isTeam={teamId !== null} mcpUrl={mcpUrl} />
      )}
    </>
  );
}

function Numbers({ snapshot, isTeam, mcpUrl }: { snapshot?: Snapshot; isTeam: boolean; mcpUrl: string }) {
  const { statistics, trend, tasks } = snapshot ?? {};
  const today = trend?.at(-1);
  const empty = statistics && statistics.total_tasks === 0 && statistics.shared_tasks === 0 && !isTeam;
  return (
    <>
      <dl className="mt-6 grid grid-cols-2 gap-px overflow-hidden rounded-2xl border border-line bg-line shadow-card lg:grid-cols-4">
        <StatisticsCard
          name="total"
          label="Total"
          value={statistics?.total_tasks}
          caption={`${today?.created || "None"} created today`}
        />
        <StatisticsCard
          name="pending"
          label="Pending"
          value={statistics?.pending_tasks}
          caption="not completed yet"
        />
        <StatisticsCard
          name="completed"
          label="Completed"
          value={statistics?.completed_tasks}
          caption={`${today?.completed || "None"} completed today`}
        />
        <StatisticsCard
          name="shared"
          label={isTeam ? "Shared" : "Shared with you"}
          value={statistics?.shared_tasks}
          caption={isTeam ? "with somebody directly" : "by other people"}
        />
      </dl>
      {empty ? (
        <section
          aria-labelledby="connect"
          className="mt-8 rounded-2xl border border-line bg-surface shadow-card"
        >
          <ConnectGuide mcpUrl={mcpUrl} headingId="connect" waiting />
        </section>
      ) : (
        <div className="mt-6 grid grid-cols-[minmax(0,1fr)] gap-6 lg:grid-cols-[minmax(0,1.55fr)_minmax(0,1fr)]">
          <section
            aria-labelledby="trend"
            className="flex flex-col rounded-2xl border border-line bg-surface shadow-card"
          >
            <div className="flex flex-wrap items-center justify-between gap-3 px-5 pt-5 sm:px-6">
              <h2 id="trend" className="text-[15px] font-semibold tracking-tight">
                Last 14 days
              </h2>
              <p aria-hidden="true" className="flex gap-4 text-[13px] text-muted">
                <Legend look="bg-bar">Created</Legend>
                <Legend look="bg-accent">Completed</Legend>
              </p>
            </div>
            <div className="min-h-64 flex-1 px-5 pt-6 pb-5 sm:px-6">
              {trend ? (
                <TrendChart days={trend} />
              ) : (
                <div className="size-full min-h-56 animate-pulse rounded-lg bg-raised" />
              )}
            </div>
          </section>
          <section aria-labelledby="latest" className="rounded-2xl border border-line bg-surface shadow-card">
            <h2 id="latest" className="px-5 pt-5 pb-2 text-[15px] font-semibold tracking-tight sm:px-6">
              Latest tasks
            </h2>
            {tasks ? <LatestTasks tasks={tasks} zone={snapshot?.timezone ?? "UTC"} /> : <TasksSkeleton />}
          </section>
        </div>
      )}
    </>
  );
}

function Legend({ look, children }: { look: string; children: string }) {
  return (
    <span className="inline-flex items-center gap-2">
      <span className={`size-2.5 rounded-[3px] ${look}`} />
      {children}
    </span>
  );
}

function TasksSkeleton() {
  return (
    <div className="grid gap-5 px-6 py-4" aria-hidden="true">
      {["w-3/4", "w-1/2", "w-2/3", "w-3/5", "w-1/3"].map((width) => (
        <div key={width} className={`h-4 animate-pulse rounded bg-raised ${width}`} />
      ))}
    </div>
  );
}

function Failure(props: { title: string; text: string; action: string; onAction: () => void }) {
  return (
    <div
      role="alert"
      className="mt-6 rounded-2xl border border-line bg-surface px-6 py-16 text-center shadow-card"
    >
      <h2 className="text-lg font-semibold tracking-tight">{props.title}</h2>
      <p className="mx-auto mt-2 max-w-md text-[15px] leading-relaxed text-balance text-muted">
        {props.text}
      </p>
      <Button className="mt-6" onClick={props.onAction}>
        {props.action}
      </Button>
    </div>
  );
}
