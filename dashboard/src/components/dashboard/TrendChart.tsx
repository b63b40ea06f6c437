"use client";

import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { TrendDay } from "@/lib/api/dashboard";

const tick = { fill: "var(--muted)", fontSize: 12 };

/** Tasks created and completed on each day. */
export function TrendChart({ days }: { days: TrendDay[] }) {
  return (
    <ResponsiveContainer width="100%" height="100%" initialDimension={{ width: 600, height: 240 }}>
      <BarChart
        data={days}
        margin={{ top: 8, right: 0, bottom: 0, left: -24 }}
        barGap={2}
        barCategoryGap="28%"
      >
        <CartesianGrid vertical={false} stroke="var(--line)" />
        <XAxis
          dataKey="date"
          tick={tick}
          tickLine={false}
          axisLine={false}
          tickFormatter={shortDay}
          interval="preserveEnd"
          minTickGap={16}
        />
        <YAxis tick={tick} tickLine={false} axisLine={false} allowDecimals={false} width={56} />
        <Tooltip cursor={{ fill: "var(--raised)" }} content={<Card />} isAnimationActive={false} />
        <Bar
          dataKey="created"
          fill="var(--bar)"
          radius={[3, 3, 0, 0]}
          maxBarSize={14}
          isAnimationActive={false}
        />
        <Bar
          dataKey="completed"
          fill="var(--accent)"
          radius={[3, 3, 0, 0]}
          maxBarSize={14}
          isAnimationActive={false}
        />
      </BarChart>
    </ResponsiveContainer>
  );
}

function Card({ active, payload }: { active?: boolean; payload?: { payload: TrendDay }[] }) {
  const day = payload?.[0]?.payload;
  if (!active || !day) return null;
  return (
    <div className="rounded-lg border border-line bg-surface px-3 py-2 text-[13px] shadow-card">
      <div className="font-medium">{shortDay(day.date)}</div>
      <div className="mt-1 text-muted tabular-nums">
        {day.created} created · {day.completed} completed
      </div>
    </div>
  );
}

function shortDay(date: string): string {
  return new Date(date).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });
}
