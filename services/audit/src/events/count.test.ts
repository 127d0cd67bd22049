import { afterAll, beforeAll, expect, test } from "vitest";
import { event, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { COUNTS, countBuckets } from "./count.store.ts";
import { countByBucket } from "./event.store.ts";

const OUTCOMES = ["success", "denied", "failure"] as const;
const NOON = Date.UTC(2026, 4, 10, 12);
const MINUTE_MS = 60_000;
const at = (ms: number) => new Date(NOON + ms).toISOString();

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
  const writer = await log.writing();
  // Three days, with times on every kind of border, and in no order.
  const offsets = [0, 1, 59_999, 60_000, 90_500, 3_599_999, 3_600_000, 43_199_999, 43_200_000, 43_260_001];
  const times = [-3, -1, 0, 1].flatMap((day) => offsets.map((ms) => day * 1440 * MINUTE_MS + ms));
  await log.append(
    writer,
    [...times, ...times.slice(7)].map((ms, i) =>
      event(i + 1, { time: at(ms), data: { outcome: OUTCOMES[i % 3] ?? "success" } }),
    ),
  );
});
afterAll(() => log.end());

const EDGES = [-4 * 86_400_000, -86_400_000, -1, 0, 1, 30_000, 60_000, 61_001, 3_600_000, 43_200_000];
const RANGES = EDGES.flatMap((from) =>
  [...EDGES, 43_260_001, 2 * 86_400_000, null].map((to) => ({
    from: at(from),
    ...(to === null ? {} : { to: at(to) }),
  })),
);

test.each(["hour", "day"] as const)(
  "counts a %s are those of the log itself, for every range and outcome",
  async (bucket) => {
    for (const range of RANGES) {
      for (const outcome of [undefined, ...OUTCOMES]) {
        const filter = { ...range, ...(outcome && { outcome }) };
        const [counted, read] = [
          await countBuckets(log.pool, filter, bucket, 1_000),
          await countByBucket(log.pool, filter, bucket, 1_000),
        ];
        expect(counted, JSON.stringify(filter)).toEqual(read);
      }
    }
    const few = await countBuckets(log.pool, { from: at(-5 * 86_400_000) }, bucket, 2);
    expect(few).toEqual(await countByBucket(log.pool, { from: at(-5 * 86_400_000) }, bucket, 2));
  },
  60_000,
);

test("a filter that only the log can answer is read from it", async () => {
  const { rows } = await log.superuser.query<{ actor_id: string }>("select actor_id from log where idx = 3");
  const filter = { from: at(-5 * 86_400_000), actorId: rows[0]?.actor_id };
  const counts = await countBuckets(log.pool, filter, "day", 10);
  expect(counts.map(({ success, denied, failure }) => success + denied + failure)).toEqual([1]);
});

interface Plan {
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}
const rowsRead = (plan: Plan): number =>
  (plan["Relation Name"]
    ? (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0)) * plan["Actual Loops"]
    : 0) + (plan.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), 0);

async function read(): Promise<number> {
  await log.superuser.query("analyze log, log_counts");
  const values = [at(-90 * 86_400_000 + 12_345), null, 1440, "any", 1_000];
  const { rows } = await log.superuser.query(`explain (analyze, format json) ${COUNTS}`, values);
  return rowsRead(rows[0]["QUERY PLAN"][0].Plan);
}

test("a chart of 90 days reads days, not entries: as many rows of a log of 20,000 entries as of one of 70", async () => {
  const before = await read();
  await log.superuser.query(`insert into log
    select 1000 + n, gen_random_uuid(), occurred_at + n * interval '1 second', type, producer, null, null, actor_id, actor_role,
           patient_ids, subject, action, outcome, purpose, ip, request_id, leaf, sealed
      from log cross join generate_series(1, 20000) n where idx = 0`);
  const after = await read();
  expect(after).toBeLessThanOrEqual(before + 5);
  expect(after).toBeLessThan(50);
});
