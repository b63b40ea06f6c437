/** How often a page reads what it shows, in milliseconds. */
export const PACE = {
  /**
   * Between two reads. Measured from the end of a read, because a read may renew its token first: measured from its
   * start, two requests could be less than a second apart.
   */
  minGap: 1_000,
  /** While changes are not pushed. */
  poll: 5_000,
  /** While they are: midnight changes the numbers too, and a server that refuses requests is noticed. */
  recheck: 60_000,
  /** At most this is added to the delay after a failure, so that pages that failed together do not return together. */
  jitter: 1_000,
};

/** The part of an error that decides when to read again. */
interface Failure {
  /** The server's `Retry-After`, in milliseconds. */
  retryAfterMs?: number;
}

/**
 * Decides when to read again: soon after a change, at most once a second, and never while the page is hidden.
 *
 * A change during a read, within the second, or while the page is hidden leads to a later read. After a failure the
 * next read waits as long as the server asked.
 */
export class Refresher {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due = Infinity;
  private earliest = 0;
  private lastEnd = -Infinity;
  private loading = false;
  private live = false;
  private stopped = false;

  /** `load` rejects when it fails. Without any change the first read comes after one polling interval. */
  constructor(
    private readonly load: () => Promise<void>,
    private readonly isHidden: () => boolean,
    private readonly random: () => number = Math.random,
  ) {
    this.readWithin(PACE.poll);
  }

  /** The data shown may be out of date. */
  changed(): void {
    this.readWithin(0);
  }

  /** The person asked for a read: do not wait for the delay after a failure. */
  retry(): void {
    this.earliest = this.lastEnd + PACE.minGap;
    this.readWithin(0);
  }

  /** Whether changes are pushed. */
  setLive(live: boolean): void {
    this.live = live;
    if (!live) this.readWithin(PACE.poll);
  }

  /** The page was hidden or shown. */
  visibilityChanged(): void {
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private readWithin(ms: number): void {
    this.due = Math.min(this.due, performance.now() + ms);
    this.schedule();
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (this.stopped || this.loading || this.isHidden()) return;
    const wait = Math.max(this.due, this.earliest) - performance.now();
    this.timer = setTimeout(() => void this.read(), Math.max(0, wait));
  }

  private async read(): Promise<void> {
    this.loading = true;
    this.due = Infinity;
    let wait = PACE.minGap;
    let next = 0;
    try {
      await this.load();
      next = this.live ? PACE.recheck : PACE.poll;
    } catch (error) {
      const asked = (error as Failure).retryAfterMs ?? PACE.poll;
      wait = Math.max(wait, asked + this.random() * PACE.jitter);
    }
    this.lastEnd = performance.now();
    this.earliest = this.lastEnd + wait;
    this.loading = false;
    this.readWithin(next);
  }
}
