// Runs under Node 24: an upgrade from the version before to this one, and back, while people work.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { dataDir, root } from "../lib/paths.mjs";
import { sentenceFor, step, Trouble } from "../lib/words.mjs";
import { SERVICES, type ServiceName } from "../servers/secrets.ts";
import { versionBefore } from "./git.ts";
import { SideBySide } from "./side-by-side.ts";
import { Traffic } from "./traffic.ts";
import { treeOf, type Version, versionIn } from "./version.ts";

const say = (line: string) => console.log(line);
/** So often does each work run in a phase: what happens while a process comes or goes is met. */
const ROUNDS = 10;
const LOGGED_WITHIN_MS = 120_000;
const CREATED = "medvault.records.prescription.created.v1";
/** Audit first, so that its successor reads what the others of both versions say. */
const ORDER: readonly ServiceName[] = [
  "audit",
  ...SERVICES.filter((name) => name !== "audit" && name !== "gateway"),
  "gateway",
];

const { values: options } = parseArgs({
  options: { from: { type: "string" }, "forward-only": { type: "boolean", default: false } },
});
const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stopped.abort());

async function rehearse(both: SideBySide, data: string): Promise<void> {
  const commit = await versionBefore(options.from);
  say(`from ${commit.slice(0, 12)} to what is in this folder`);
  const tree = await step(say, "laying out the version before", () => treeOf(commit));
  const before = await versionIn(tree, "before");
  const now = await versionIn(root, "now");
  await both.prepare(before);
  await step(say, "before: set up, started", async () => {
    await both.setUp(before);
    await startAll(both, before);
  });
  const users = await both.firstPeople(before);
  const traffic = new Traffic(both.gateway, users, data);
  await step(say, "signing people in", () => traffic.begin());
  const phase = (title: string, work: () => Promise<unknown>) =>
    step(say, title, async () => {
      if (stopped.signal.aborted) throw new Trouble("It was stopped before its end.");
      traffic.phase = title;
      await work();
      await traffic.more(ROUNDS);
      if (traffic.reasons.length > 0)
        throw new Trouble(`Requests failed, and more may have:\n  ${traffic.reasons.join("\n  ")}`);
    });
  try {
    await phase("only before", async () => {});
    await phase("the migrations of now, beside before", () => both.setUp(now));
    await replace(both, phase, before, now);
    if (!options["forward-only"]) {
      await phase("the set-up of before again, beside now", () => both.setUp(before));
      await replace(both, phase, now, before);
    }
  } finally {
    await traffic.end();
  }
  const found = [...(await lostOf(traffic)), ...both.troubles];
  for (const [name, { done, failed }] of traffic.tallies)
    say(`  ${name.padEnd(22)} ${done} done, ${failed} failed`);
  found.push(...traffic.reasons);
  if (found.length > 0) throw new Trouble(`The upgrade is not without loss:\n  ${found.join("\n  ")}`);
  const { prescriptions, files } = traffic.written;
  say(
    `  ${prescriptions.size} prescriptions and ${files.size} files written, all there and in the audit log`,
  );
}

async function startAll(both: SideBySide, version: Version): Promise<void> {
  const started = await Promise.allSettled(ORDER.map((name) => both.start(version, name)));
  const failed = started.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

/** All of `next` beside all of `last`; then one service of `last` after the other goes. */
async function replace(
  both: SideBySide,
  phase: (title: string, work: () => Promise<unknown>) => Promise<void>,
  last: Version,
  next: Version,
): Promise<void> {
  await phase(`${last.label} and ${next.label} side by side`, () => startAll(both, next));
  const idle = await both.idle(next);
  if (idle.length > 0)
    throw new Trouble(`${next.label} got no work at ${idle.join(", ")}: the balancers are at fault.`);
  for (const name of ORDER) await phase(`${name}: only ${next.label}`, () => both.retire(last, name));
}

/** What was written and is not there as it was, or has not exactly one event in the audit log. */
async function lostOf(traffic: Traffic): Promise<string[]> {
  const lost = await step(say, "reading all that was written", () => traffic.lost());
  const ids = new Set(traffic.written.prescriptions.keys());
  const seen = await step(say, "looking for its events in the audit log", async () => {
    for (const end = Date.now() + LOGGED_WITHIN_MS; ; await sleep(1_000)) {
      const counts = await createdEvents(traffic);
      if ([...ids].every((id) => counts.has(id)) || Date.now() > end) return counts;
    }
  });
  for (const id of ids)
    if (seen.get(id) !== 1) lost.push(`prescription ${id} has ${seen.get(id) ?? 0} events`);
  const { data } = await traffic.auditor.call("GET /v1/audit/completeness");
  lost.push(
    ...data.items
      .filter(({ gaps }) => gaps.length > 0)
      .map(({ producer }) => `gaps in the events of ${producer}`),
  );
  const verified = (await traffic.auditor.call("POST /v1/audit/verify")).data;
  return verified.ok ? lost : [...lost, `the audit log does not verify: ${JSON.stringify(verified)}`];
}

async function createdEvents(traffic: Traffic): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const query = { type: CREATED, limit: 100 };
  for await (const event of traffic.auditor.items("GET /v1/audit/events", { query })) {
    const id = event.subject?.split("/").at(-1) ?? "";
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

const data = dataDir(path.join(root, ".data/rehearsal"));
for (const name of fs.readdirSync(data)) fs.rmSync(path.join(data, name), { recursive: true, force: true });
const both = new SideBySide(data, say);
try {
  await rehearse(both, data);
  say("rehearse:upgrade: passed");
} catch (error) {
  console.error(`medvault: ${sentenceFor(error) ?? (error as Error).stack}`);
  console.error(`rehearse:upgrade: FAILED; the logs are in ${path.join(data, "log")}`);
  process.exitCode = 1;
} finally {
  await both.stop();
}
process.exit();
