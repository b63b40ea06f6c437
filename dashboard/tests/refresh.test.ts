import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PACE, Refresher } from "@/lib/refresh";

/** Start times of reads, in milliseconds since the start of the test. */
let reads: number[] = [];
let begun = 0;
let hidden = false;
let answer: () => Promise<void> = async () => {};
let refresher: Refresher;

beforeEach(() => {
  vi.useFakeTimers();
  begun = performance.now();
  reads = [];
  hidden = false;
  answer = async () => {};
  refresher = new Refresher(
    () => {
      reads.push(performance.now() - begun);
      return answer();
    },
    () => hidden,
    () => 0,
  );
  refresher.setLive(true);
});

afterEach(() => {
  refresher.stop();
  vi.useRealTimers();
});

const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);

const takes = (ms: number) => () => new Promise<void>((done) => setTimeout(done, ms));

const refuses = (retryAfterMs?: number) => () =>
  Promise.reject(Object.assign(new Error("no"), { retryAfterMs }));

test("a burst of changes is read at its start, every second, and once after its end", async () => {
  for (let change = 0; change < 50; change++) {
    refresher.changed();
    await wait(50);
  }
  await wait(10_000);
  // The burst took 2.5 s; its last change came at 2,450.
  expect(reads).toEqual([0, 1000, 2000, 3000]);
});

test("a change during a read leads to another read", async () => {
  answer = takes(300);
  refresher.changed();
  await wait(100);
  refresher.changed();
  await wait(10_000);
  expect(reads).toEqual([0, 1300]);
});

test("slow answers never overlap", async () => {
  answer = takes(4_000);
  for (let change = 0; change < 20; change++) {
    refresher.changed();
    await wait(500);
  }
  expect(reads).toEqual([0, 5000, 10_000]);
});

test("it reads every five seconds, or every minute while live", async () => {
  refresher.setLive(false);
  await wait(16_000);
  expect(reads).toEqual([5000, 10_000, 15_000]);
  refresher.setLive(true);
  reads = [];
  await wait(130_000);
  expect(reads).toEqual([20_000, 80_000, 140_000]);
});

test("nothing is read while the page is hidden, and once when it is shown again", async () => {
  refresher.setLive(false);
  hidden = true;
  refresher.visibilityChanged();
  for (let minute = 0; minute < 10; minute++) {
    refresher.changed();
    await wait(60_000);
  }
  expect(reads).toEqual([]);
  hidden = false;
  refresher.visibilityChanged();
  await wait(900);
  expect(reads).toEqual([600_000]);
});

test("showing a page on which nothing changed reads nothing", async () => {
  refresher.changed();
  await wait(2_000);
  for (hidden of [true, false]) refresher.visibilityChanged();
  await wait(2_000);
  expect(reads).toEqual([0]);
});

test("after a refusal nothing is read before Retry-After has passed", async () => {
  answer = refuses(23_000);
  refresher.changed();
  for (let second = 0; second < 22; second++) {
    await wait(1_000);
    refresher.changed();
  }
  expect(reads).toEqual([0]);
  answer = async () => {};
  await wait(30_000);
  expect(reads).toEqual([0, 23_000]);
});

test("a failure without Retry-After is retried after five seconds plus jitter", async () => {
  refresher.stop();
  refresher = new Refresher(
    () => {
      reads.push(performance.now() - begun);
      return refuses()();
    },
    () => hidden,
    () => 0.5,
  );
  refresher.setLive(true);
  refresher.changed();
  await wait(12_000);
  expect(reads).toEqual([0, 5_000 + PACE.jitter / 2, 11_000]);
});

test("a manual retry waits for the one-second pace only", async () => {
  answer = refuses(60_000);
  refresher.changed();
  await wait(100);
  for (let click = 0; click < 10; click++) refresher.retry();
  await wait(5_000);
  expect(reads).toEqual([0, 1000]);
});

test("a stopped page reads nothing more", async () => {
  refresher.changed();
  refresher.stop();
  refresher.changed();
  await wait(100_000);
  expect(reads).toEqual([]);
});
