"use client";

import { Button } from "@/components/Button";
import { MessagePage } from "@/components/MessagePage";
import { DATABASE_UNAVAILABLE } from "@/lib/error-digests";

export default function ErrorPage({
  error,
  retry,
}: {
  error: Error & { digest?: string };
  retry: () => void;
}) {
  const databaseAway = error.digest === DATABASE_UNAVAILABLE;
  return (
    <MessagePage
      title={databaseAway ? "The database cannot be reached" : "This page could not be shown"}
      action={<Button onClick={retry}>Try again</Button>}
    >
      {databaseAway ? (
        <p>
          Nothing is lost: your tasks are stored safely and will be here when it is back. This is usually over
          in a few seconds. If you run this server, check that PostgreSQL is up.
        </p>
      ) : (
        <p>Something went wrong on the server. Nothing you did was lost. Try again in a moment.</p>
      )}
    </MessagePage>
  );
}
