"use client";

import Link from "next/link";
import { type ReactNode, useState } from "react";
import { Button } from "@/components/Button";
import { ConfirmButton } from "@/components/ConfirmButton";
import { ReadState } from "@/components/ReadState";
import { useToast } from "@/components/Toast";
import { useBridge } from "@/hooks/useBridge";
import { type Answered, type Offer, type Offers, writeBridge } from "@/lib/api/dashboard";

type Answer = "accept" | "decline" | "block" | "unblock";

const cardClass = "mt-8 rounded-2xl border border-line bg-surface shadow-card";

/** What waits for the person's answer, and whom they have blocked. */
export function InvitationList({ initial, zone }: { initial?: Offers; zone: string }) {
  const { data, error, refresh, retry } = useBridge<Offers>("/invitations", "people", initial);
  const [toast, show] = useToast();
  const waiting = data?.invitations.filter(({ status }) => status === "pending");
  const blocked = data?.invitations.filter(({ status }) => status === "blocked") ?? [];

  async function answer(offer: Offer, action: Answer) {
    const answered = await writeBridge<Answered>("POST", `/invitations/${offer.id}?action=${action}`);
    show({ text: outcome(offer, action, answered) });
    refresh();
  }

  return (
    <>
      <section aria-label="Waiting for your answer" className={cardClass}>
        {!waiting ? (
          <ReadState what="invitations" error={error} onRetry={retry} />
        ) : waiting.length === 0 ? (
          <p className="px-6 py-12 text-center text-sm text-muted">Nothing waits for your answer.</p>
        ) : (
          <ul className="divide-y divide-line">
            {waiting.map((offer) => (
              <Waiting
                key={offer.id}
                offer={offer}
                zone={zone}
                onAnswer={(action) => answer(offer, action)}
                onProblem={(text) => show({ text, tone: "problem" })}
              />
            ))}
          </ul>
        )}
        {!!data?.more && (
          <p className="border-t border-line px-6 py-3 text-[13px] text-muted">
            {data.more} more will appear when you have answered some of these.
          </p>
        )}
      </section>
      {blocked.length > 0 && (
        <section aria-labelledby="blocked" className={cardClass}>
          <h2 id="blocked" className="px-5 pt-5 text-[15px] font-semibold tracking-tight sm:px-6">
            Blocked
          </h2>
          <p className="px-5 pt-1 text-[13px] text-muted sm:px-6">
            What these people offer never reaches you. They are not told.
          </p>
          <ul className="mt-3 divide-y divide-line border-t border-line">
            {blocked.map((offer) => (
              <li
                key={offer.id}
                className="flex flex-wrap items-center justify-between gap-4 px-5 py-3 sm:px-6"
              >
                <Inviter offer={offer} />
                <AnswerButton
                  label="Unblock"
                  subject={nameOf(offer)}
                  onClick={() => answer(offer, "unblock")}
                  onProblem={(text) => show({ text, tone: "problem" })}
                />
              </li>
            ))}
          </ul>
        </section>
      )}
      {toast}
    </>
  );
}

function Waiting(props: {
  offer: Offer;
  zone: string;
  onAnswer: (action: Answer) => Promise<void>;
  onProblem: (text: string) => void;
}) {
  const { offer, zone, onAnswer, onProblem } = props;
  const name = nameOf(offer);
  return (
    <li
      className="flex flex-wrap items-center justify-between gap-x-6 gap-y-4 px-5 py-5 sm:px-6"
      data-testid="invitation"
    >
      <div className="min-w-0 flex-1 basis-80">
        <Inviter offer={offer} />
        <p className="mt-1 text-[15px] leading-snug wrap-anywhere">
          {offer.task_title ? (
            <>
              wants to share the task{" "}
              <strong className="font-semibold">
                <bdi>{offer.task_title}</bdi>
              </strong>{" "}
              with you
              {offer.offered === "edit" ? ", to read and change" : ", to read"}
            </>
          ) : (
            <>
              invites you to the team{" "}
              <strong className="font-semibold">
                <bdi>{offer.team_name}</bdi>
              </strong>{" "}
              as {/^[ao]/.test(offer.offered ?? "") ? "an" : "a"} {offer.offered}
            </>
          )}
        </p>
        <p className="mt-1 text-[13px] text-muted">
          <time dateTime={offer.at}>
            {new Date(offer.at).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: zone })}
          </time>
          , ends after 30 days
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        <AnswerButton
          label="Accept"
          look="primary"
          subject={name}
          onClick={() => onAnswer("accept")}
          onProblem={onProblem}
        />
        <AnswerButton
          label="Decline"
          subject={name}
          onClick={() => onAnswer("decline")}
          onProblem={onProblem}
        />
        <ConfirmButton
          look="quiet"
          label="Block"
          subject={name}
          title={`Block ${name}?`}
          text="All that this person offers you ends, now and later, and they are not told. You can lift the block on this page."
          action={() => onAnswer("block")}
        />
      </div>
    </li>
  );
}

function AnswerButton(props: {
  label: string;
  subject: string;
  look?: "primary" | "secondary";
  onClick: () => Promise<void>;
  onProblem: (text: string) => void;
}) {
  const [busy, setBusy] = useState(false);
  async function click() {
    setBusy(true);
    await props.onClick().catch((error: Error) => props.onProblem(error.message));
    setBusy(false);
  }
  return (
    <Button
      look={props.look ?? "secondary"}
      aria-label={`${props.label} ${props.subject}`}
      disabled={busy}
      onClick={() => void click()}
    >
      {props.label}
    </Button>
  );
}

function Inviter({ offer }: { offer: Offer }) {
  return (
    <p className="truncate text-sm">
      <bdi className="font-medium">{nameOf(offer)}</bdi>
      {offer.inviter_name && (
        <span className="ml-2 text-[13px] text-muted">{offer.inviter_email ?? offer.inviter_id}</span>
      )}
    </p>
  );
}

function nameOf(offer: Offer): string {
  return offer.inviter_name ?? offer.inviter_email ?? offer.inviter_id;
}

function outcome(offer: Offer, action: Answer, answered: Answered): ReactNode {
  switch (action) {
    case "accept":
      if (answered.team_id)
        return (
          <>
            You are in the team <bdi>{offer.team_name}</bdi>.{" "}
            <Link href={`/teams/${answered.team_id}`} className="font-medium underline">
              Open it
            </Link>
          </>
        );
      return (
        <>
          <bdi>{offer.task_title}</bdi> is in your list.
        </>
      );
    case "decline":
      return "Declined. They are not told.";
    case "block":
      return `${nameOf(offer)} is blocked.`;
    case "unblock":
      return `${nameOf(offer)} can invite you again.`;
  }
}
