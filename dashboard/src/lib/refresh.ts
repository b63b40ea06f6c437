/** How often a page reads what it shows, in milliseconds. */
export const PACE = {
  /**
   * Between two reads, whatever asks for them. From the end of one, because a read may renew its token first: counted
   * from its start, two requests could be less than a second apart.
   */
  least: 1_000,
  /** While changes are not pushed. */
  poll: 5_000,
  /** While they are: a new day changes the numbers too, and a server that refuses is noticed. */
  recheck: 60_000,
  /** At most so much is added to the wait after a failure: pages that failed together do not return together. */
  jitter: 1_000,
};

/** Why a read failed, as far as the next one depends on it. */
interface Failure {
  /** What the server asked for (`Retry-After`), in milliseconds. */
  retryAfterMs?: number;
}

/**
 * Decides when to read again: soon after a change, but at most once a second, and never while nobody looks.
 *
 * A change that comes while reading, too early, or while the page is hidden is read later, never forgotten. After a
 * failure nothing is read before the server allows it.
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

  /** What is shown may be out of date. */
  changed(): void {
    this.readWithin(0);
  }

  /** Somebody asks for it: a failure is no reason to wait longer. */
  retry(): void {
    this.earliest = this.lastEnd + PACE.least;
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
    let wait = PACE.least;
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
