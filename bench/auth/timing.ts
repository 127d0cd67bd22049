import { actor, listening, testAssertions } from "@medvault/testing";
import { createHarness, type Harness, PASSWORD } from "../../services/auth/test/harness.ts";
import { type Finding, median } from "../rounds.ts";
import { post } from "./post.ts";

/** Below this the network's own jitter hides it. */
const DIFFERENCE_MS = 5;
/** Wrong guesses that no lockout meets. */
const PER_ACCOUNT = 4;

type Call = (i: number) => { path: string; body: object };

/**
 * Whether time tells accounts apart: one call of each kind a round, in a new random order, so that
 * all meet the same weather and what one leaves to be done behind its answer; the medians of how
 * far each is from its round's median may differ by 5 ms.
 */
export async function timing(tries: number): Promise<Finding[]> {
  const h = await createHarness();
  try {
    const { url } = await listening(h.app);
    return [
      await compare(
        url,
        "signing in by name: unknown, wrong password, disabled, not activated",
        await signIns(h, tries, "username"),
        tries,
      ),
      await compare(url, "signing in by address: the same", await signIns(h, tries, "email"), tries),
      await compare(url, "a forgotten password: known address, unknown address", await forgotten(h), tries),
      await compare(url, "registering: a fresh address, one that is taken", await registrations(h), tries),
    ];
  } finally {
    await h.close();
  }
}

async function signIns(h: Harness, tries: number, by: "username" | "email"): Promise<Call[]> {
  const people = (overrides: object) =>
    Promise.all(Array.from({ length: Math.ceil(tries / PER_ACCOUNT) }, () => h.person("patient", overrides)));
  const wrong = await people({});
  const disabled = await people({ disabled: true });
  const invited = await people({ passwordHash: null, activated: false });
  const at = (list: Awaited<ReturnType<typeof people>>, i: number) =>
    list[Math.floor(i / PER_ACCOUNT)]?.account[by] ?? "";
  const host = by === "email" ? "@clinic.example" : "";
  const call = (identifier: string, password: string) => ({
    path: "/v1/auth/login",
    body: { identifier, password },
  });
  return [
    (i) => call(`unknown-${Math.floor(i / PER_ACCOUNT)}${host}`, PASSWORD),
    (i) => call(at(wrong, i), "Wrong-pass-word-9"),
    (i) => call(at(disabled, i), PASSWORD),
    (i) => call(at(invited, i), PASSWORD),
  ];
}

async function forgotten(h: Harness): Promise<Call[]> {
  const { account } = await h.person("patient");
  const call = (email: string) => ({ path: "/v1/auth/password/forgot", body: { email } });
  return [() => call(account.email), (i) => call(`nobody-${i}@clinic.example`)];
}

async function registrations(h: Harness): Promise<Call[]> {
  const { account } = await h.person("patient");
  const call = (username: string, email: string) => ({
    path: "/v1/auth/register",
    body: { username, email, password: PASSWORD },
  });
  return [(i) => call(`fresh-${i}`, `fresh-${i}@clinic.example`), (i) => call(`other-${i}`, account.email)];
}

async function compare(url: string, name: string, calls: Call[], tries: number): Promise<Finding> {
  const assertions = await testAssertions();
  const times = calls.map((): number[] => []);
  const statuses = new Set<number>();
  for (let i = 0; i < tries; i++) {
    for (const which of shuffled(calls.length)) {
      const call = calls[which]?.(i);
      if (!call) continue;
      // Another address each time: what counts per address counts nothing here.
      const guest = actor("guest", { ip: `198.51.${i % 250}.${(i * 7 + which) % 250}` });
      const { status, ms } = await post(`${url}${call.path}`, await assertions.sign(guest), call.body);
      statuses.add(status);
      times[which]?.push(ms);
    }
  }
  if (statuses.size !== 1)
    throw new Error(`${name}: answered ${[...statuses].join(", ")}, which tells them apart`);
  const medians = times.map(median);
  // Each is compared within its round: what slows a whole round says nothing about one of them.
  const rounds = Array.from({ length: tries }, (_, i) => median(times.map((kind) => kind[i] ?? Number.NaN)));
  const beside = times.map((kind) => median(kind.map((ms, i) => ms - (rounds[i] ?? Number.NaN))));
  const spread = times.flat().sort((a, b) => a - b);
  const quartile = (share: number) => (spread[Math.floor(spread.length * share)] ?? 0).toFixed(0);
  return {
    name,
    measured: Math.max(...beside) - Math.min(...beside),
    unit: "ms",
    atMost: DIFFERENCE_MS,
    note: `medians of ${tries}: ${medians.map((ms) => ms.toFixed(1)).join(", ")}; half of all between ${quartile(0.25)} and ${quartile(0.75)}`,
  };
}

/** The numbers below `count`, in an order drawn at random. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, which) => ({ which, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ which }) => which);
}
