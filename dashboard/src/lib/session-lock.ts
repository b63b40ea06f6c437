/**
 * Keeps reads of the session from overlapping with its replacement, in all tabs of this browser. When the password or
 * the second factor changes, the server ends the session before the browser has the cookie of the next one. A request
 * for a token in between would get 401 and lead to the sign-in page.
 */
const NAME = "taskdeck-session";

/** Run `work` while no tab replaces the session. */
export function readSession<T>(work: () => Promise<T>): Promise<T> {
  return holding("shared", work);
}

/** Run `work`, which replaces the session, while no tab reads it. */
export function replaceSession<T>(work: () => Promise<T>): Promise<T> {
  return holding("exclusive", work);
}

async function holding<T>(mode: LockMode, work: () => Promise<T>): Promise<T> {
  // Browsers have no Web Locks on pages that came over plain HTTP from another machine.
  return navigator.locks ? navigator.locks.request(NAME, { mode }, work) : work();
}
