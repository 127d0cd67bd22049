import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainRoot } from "../../test/plain-tree.ts";
import { givenReplicas, type Replicas } from "../../test/replicas.ts";
import { openCheckpoint } from "../tree/checkpoint.ts";

/** More rounds are with the lease that is the default, and say how long each took. */
const ROUNDS = Number(process.env.MEDVAULT_STANDBY_ROUNDS ?? 0);
const SEED = Number(process.env.MEDVAULT_STANDBY_SEED ?? Date.now() % 2 ** 31);
const TAKEN_OVER_MS = 10_000;
/** How long a writer has written before it is struck, at most. */
const MOMENT_MS = 1_500;

type Replica = Replicas["replicas"][0];
type Fault = { strike(writer: Replica): unknown; heal(writer: Replica): unknown };

const CUTS = ["cut", "stall", "swallow"] as const;
const partition = (from: "postgres" | "amqp", how: (typeof CUTS)[number]): Fault => ({
  strike: (writer) => writer[from][how](),
  heal: (writer) => writer[from].restore(),
});
const disk = (state: "away" | "hangs" | "slow"): Fault => ({
  strike: (writer) => writer.disk(state),
  heal: (writer) => writer.disk("well"),
});
/** What is tried one after the other, each time another of its kinds. */
const FAULTS: Record<string, Fault[]> = {
  "is killed": [{ strike: (writer) => writer.kill(), heal: (writer) => writer.start() }],
  hangs: [{ strike: (writer) => writer.signal("SIGSTOP"), heal: (writer) => writer.signal("SIGCONT") }],
  "is cut off from Postgres": CUTS.map((how) => partition("postgres", how)),
  "is cut off from RabbitMQ": CUTS.map((how) => partition("amqp", how)),
  "is cut off from its disk": [
    disk("away"),
    disk("hangs"),
    { strike: (writer) => writer.unmount(), heal: (writer) => writer.mount() },
  ],
  "has a slow disk": [disk("slow")],
};
const NAMES = Object.keys(FAULTS);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let given: Replicas;
beforeAll(async () => {
  given = await givenReplicas(ROUNDS > 0 ? null : 1_000);
}, 60_000);
afterAll(() => given.end());

const random = randomOf(SEED);
const rounds = Array.from({ length: ROUNDS || NAMES.length }, (_, round) => {
  const kinds = FAULTS[NAMES[round % NAMES.length] ?? ""] ?? [];
  const kind = kinds[Math.floor(random() * kinds.length)] as Fault;
  return { round, name: NAMES[round % NAMES.length] ?? "", kind, moment: random() * MOMENT_MS };
});
let writing = 0;
let checked = 0;

test.each(rounds)(
  "round $round: a writer that $name is replaced, and nothing forks",
  async ({ name, kind, moment, round }) => {
    const { replicas, until, standingBy } = given;
    const [writer, standby] = [replicas[writing], replicas[1 - writing]] as [Replica, Replica];
    await standingBy();
    const stopSending = await given.sending();
    const seen = watchOutside();
    await setTimeout(moment);
    const opened = standby.opened();
    const since = performance.now();
    await kind.strike(writer);
    await until(() => expect(standby.opened()).toBe(opened + 1));
    const tookMs = performance.now() - since;
    await grown();
    await kind.heal(writer);
    await stopSending();
    writing = 1 - writing;
    await standingBy();
    await consistent(await seen());
    if (ROUNDS > 0) {
      console.log(
        `round ${round} of seed ${SEED}: a writer that ${name} after ${Math.round(moment)} ms: ${Math.round(tookMs)} ms`,
      );
      expect(tookMs).toBeLessThan(TAKEN_OVER_MS);
    }
  },
  120_000,
);

/** Until the successor has signed something. */
async function grown(): Promise<void> {
  const before = await given.checkpoint();
  await given.until(async () => expect(await given.checkpoint()).not.toBe(before));
}

/** Every checkpoint that anyone could have seen outside, in turn. */
function watchOutside(): () => Promise<string[]> {
  const notes: string[] = [];
  let isOver = false;
  const watching = (async () => {
    for (; !isOver; await setTimeout(2)) {
      const note = await given.checkpoint();
      if (note !== "" && note !== notes.at(-1)) notes.push(note);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return notes;
  };
}

/** The whole log, once a checkpoint covers it. */
async function whole(): Promise<{ idx: string; leaf: Buffer }[]> {
  let rows: { idx: string; leaf: Buffer }[] = [];
  await given.until(async () => {
    ({ rows } = await given.log.superuser.query("select idx, leaf from log order by idx"));
    expect((await given.checkpoint()).split("\n")[1]).toBe(String(rows.length));
  });
  expect(rows.map(({ idx }) => Number(idx))).toEqual(rows.map((_, at) => at));
  return rows;
}

/** One log: each acknowledged event in it once, each checkpoint a prefix of it. */
async function consistent(seen: readonly string[]): Promise<void> {
  const { log, acknowledged, until } = given;
  await until(async () => {
    const { rows } = await log.superuser.query(
      "select count(*)::int as n from log where id = any($1::uuid[])",
      [acknowledged],
    );
    expect(rows[0].n).toBe(acknowledged.length);
  });
  const rows = await whole();
  const leaves = rows.map(({ leaf }) => leaf);
  const history = await log.superuser.query<{ note: string }>(
    "select note from checkpoints where size > $1",
    [checked],
  );
  const notes = new Set([...history.rows.map(({ note }) => note), ...seen]);
  const sizes = [];
  for (const note of notes) {
    const checkpoint = openCheckpoint(note, log.signer.key, log.signer.origin);
    expect(checkpoint?.root).toEqual(plainRoot(leaves.slice(0, checkpoint?.size)));
    sizes.push(checkpoint?.size);
  }
  const order = seen.map((note) => Number(note.split("\n")[1]));
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  checked = rows.length;
  expect(await log.verify()).toMatchObject({ ok: true, size: rows.length });
}
