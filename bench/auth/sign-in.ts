import { availableParallelism } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { actor, listening, signedIn, testAssertions } from "@medvault/testing";
import argon2 from "argon2";
import {
  createPasswordHasher,
  LEAST_HASH_COST,
} from "../../services/auth/src/passwords/password-hasher.service.ts";
import { createHarness, type Harness, PASSWORD } from "../../services/auth/test/harness.ts";
import { cpuMs } from "../gateway/processes.ts";
import { cpuMicros, type Finding, inTurns, median } from "../rounds.ts";
import { post } from "./post.ts";

/** As the service has it by default. */
const HASHES_AT_ONCE = Math.min(availableParallelism(), 3);
/** The others are on their way to a hash or from one, or wait for it. */
const SIGN_INS_AT_ONCE = 8;
const PER_ROUND = 24;
/** So that every connection has prepared its statements, and the code is compiled. */
const WARM_UPS = 8;
/** Watching the event loop costs processor time: in rounds of its own, which are not timed. */
const OBSERVED = 4;
/** No one signs in more often than they may have sessions: that would time the ends of old ones. */
const PER_PERSON = 4;
const MAX_DELAY_MS = 50;

/**
 * Sign-ins through the service (HTTP, Postgres, Redis) beside a bare loop of argon2id with the same
 * parameters and as many hashes at once, in turns on the same cores, shared with client and
 * Postgres. Also: whether hashing blocks the event loop, and refresh or introspection cost a hash.
 */
export async function signIns(rounds: number): Promise<Finding[]> {
  const h = await createHarness();
  Object.assign(h.ctx, {
    hasher: await createPasswordHasher({ concurrent: HASHES_AT_ONCE, waitingMax: SIGN_INS_AT_ONCE }),
  });
  try {
    const names: string[] = [];
    const people = Math.ceil(((rounds + WARM_UPS + OBSERVED) * PER_ROUND) / PER_PERSON);
    for (let i = 0; i < people; i++) names.push((await h.person("patient")).account.username);
    const { url } = await listening(h.app);
    const { memoryKiB, passes, lanes } = LEAST_HASH_COST;
    const hash = await argon2.hash(PASSWORD, { memoryCost: memoryKiB, timeCost: passes, parallelism: lanes });
    const assertions = await testAssertions();
    const bare = () => round(HASHES_AT_ONCE, () => argon2.verify(hash, PASSWORD));
    let n = 0;
    const signIn = async () => {
      const assertion = await assertions.sign(actor("guest")); // one a round: they live 30 s
      return round(SIGN_INS_AT_ONCE, async () => {
        const body = { identifier: names[n++ % people], password: PASSWORD };
        const { status } = await post(`${url}/v1/auth/login`, assertion, body);
        if (status !== 200) throw new Error(`a sign-in was answered ${status}`);
      });
    };
    await bare();
    for (let i = 0; i < WARM_UPS; i++) await signIn();
    const delays: number[] = [];
    const backends = await backendsOf(h);
    const pairs = await inTurns(
      rounds,
      () => measured(bare, []),
      () => measured(signIn, backends),
    );
    for (let i = 0; i < OBSERVED; i++) await observed(delays, signIn);
    const hashMs = median(pairs.map((pair) => pair.bare.cpuMs));
    const share = median(pairs.map((pair) => pair.bare.cpuMs / pair.ours.cpuMs));
    const perSecond = (ms: number) => (PER_ROUND * 1000) / ms;
    const [bareMs, oursMs] = [median(pairs.map((p) => p.bare.ms)), median(pairs.map((p) => p.ours.ms))];
    return [
      {
        name: `sign-ins a second, ${SIGN_INS_AT_ONCE} at once, beside bare argon2id`,
        measured: median(pairs.map((pair) => pair.bare.ms / pair.ours.ms)),
        unit: "ratio",
        atLeast: 0.85,
        note: `${perSecond(oursMs).toFixed(1)} and ${perSecond(bareMs).toFixed(1)} a second`,
      },
      {
        name: "processor time of a sign-in beside its hash's: service, client and Postgres",
        measured: median(pairs.map((pair) => pair.ours.cpuMs - pair.bare.cpuMs)),
        unit: "ms",
        note: `a hash ${hashMs.toFixed(1)} ms, ${(100 * share).toFixed(0)} % of it all: what the ratio is on cores that are otherwise idle`,
      },
      {
        name: "event loop delay while hashing, 99th percentile",
        measured: median(delays),
        unit: "ms",
        atMost: MAX_DELAY_MS,
        note: `a hash takes ${((bareMs / PER_ROUND) * HASHES_AT_ONCE).toFixed(0)} ms`,
      },
      ...(await hashless(h)),
    ];
  } finally {
    await h.close();
  }
}

/** `PER_ROUND` calls, `atOnce` at a time; milliseconds. */
async function round(atOnce: number, work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  let next = 0;
  const worker = async () => {
    while (next++ < PER_ROUND) await work();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return performance.now() - since;
}

interface Used {
  ms: number;
  /** Of each call. */
  cpuMs: number;
}

/** Wall-clock of a round, and processor time of each call: this process's and `others`'. */
async function measured(work: () => Promise<number>, others: number[]): Promise<Used> {
  const of = () => others.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const theirs = of();
  let ms = 0;
  const own = await cpuMicros(async () => {
    ms = await work();
  });
  return { ms, cpuMs: (own / 1000 + of() - theirs) / PER_ROUND };
}

/** The processes of Postgres that work for this service. */
async function backendsOf(h: Harness): Promise<number[]> {
  const { rows } = await h.ctx.pool.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database()",
  );
  return rows.map(({ pid }) => pid);
}

/** Notes the 99th percentile of the event loop's delay while `work` runs. */
async function observed<T>(delays: number[], work: () => Promise<T>): Promise<T> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  try {
    return await work();
  } finally {
    delay.disable();
    delays.push(delay.percentile(99) / 1e6);
  }
}

/** How many hashes a refresh and an introspection cost: counted, not timed. */
async function hashless(h: Harness): Promise<Finding[]> {
  const { tokens } = await h.client(await h.person("patient"));
  let hashes = 0;
  const { hasher } = h.ctx;
  const counted = {
    ...hasher,
    hash(password: string) {
      hashes++;
      return hasher.hash(password);
    },
    verify(hash: string | null, password: string) {
      hashes++;
      return hasher.verify(hash, password);
    },
  };
  Object.assign(h.ctx, { hasher: counted });
  const refreshed = await h.guest().post("/v1/auth/refresh", { refreshToken: tokens.refreshToken });
  const gateway = actor("service", {
    id: "service:gateway",
    permissions: ["session:introspect", "session:introspect:any"],
  });
  const known = await signedIn(h.app, gateway).get(`/internal/sessions/${tokens.sessionId}`);
  if (refreshed.status !== 200 || known.status !== 200) throw new Error("refresh or introspection failed");
  return [{ name: "hashes of a refresh and an introspection", measured: hashes, unit: "count", atMost: 0 }];
}
