import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dataDir, root } from "../../dev/lib/paths.mjs";
import { run } from "../../dev/lib/run.mjs";
import { step, Trouble } from "../../dev/lib/words.mjs";
import { claimPorts } from "../../dev/servers/ports.ts";
import { type RabbitGroup, rabbitGroup } from "../../dev/servers/rabbitmq-group.ts";
import type { Client } from "../../e2e/support/client.ts";
import { demoAdmin, invite, items } from "../../e2e/support/people.ts";
import { type Ops, type RunningSystem, startSystem } from "../../e2e/support/system.ts";
import { journey } from "../scaling/journey.ts";
import { endOnSignal } from "./ending.ts";
import { outageOf, startTraffic, type Traffic } from "./traffic.ts";

const STEADY_MS = 5_000;
const WITHOUT_NODE_MS = 12_000;
const WITHOUT_QUORUM_MS = 10_000;
const QUEUE = "medvault.audit";
const LOOKUPS = 8;

type Say = (line: string) => void;

/** MedVault on three RabbitMQ nodes: one is killed, then a second, then both come back. */
export async function rabbitFailover(say: Say, rate: number): Promise<void> {
  const data = dataDir(path.join(root, ".data", "rehearse-rabbitmq"));
  fs.rmSync(data, { recursive: true, force: true });
  fs.mkdirSync(data, { recursive: true });
  const { ports, release } = await claimPorts(data, undefined);
  const group = await rabbitGroup({
    ...{ data, port: ports.base + 20, vhost: "medvault", say: (line: string) => say(`  ${line}`) },
    ...{ password: randomUUID(), cookie: randomUUID() },
  });
  let system: RunningSystem | null = null;
  endOnSignal(async () => {
    await system?.stop();
    await group.stop();
  });
  try {
    await step(say, "starting three RabbitMQ nodes", () => group.start());
    const [first = "", ...others] = group.urls;
    const env = {
      AMQP_URL: first,
      AMQP_NODES: others.map((url) => new URL(url).host).join(","),
      MEDVAULT_RABBITMQ_URL: group.managementUrls[0] ?? "",
    };
    system = await step(say, "starting MedVault on them", () =>
      startSystem("rehearse-rabbitmq-medvault", { env }),
    );
    try {
      await underTraffic(say, rate, group, system);
    } finally {
      await system.stop();
    }
  } finally {
    await group.stop();
    release();
  }
}

async function underTraffic(
  say: Say,
  rate: number,
  group: RabbitGroup,
  { ops, dataDir: dir }: RunningSystem,
): Promise<void> {
  const { client: admin } = await demoAdmin(ops);
  const doctor = await invite(ops, admin, "doctor");
  const auditor = await invite(ops, admin, "auditor");
  for (const { name, online } of await group.queues())
    must(online.length === 3, `${name} is on ${online.length} nodes`);
  const traffic = startTraffic(doctor.client, rate);
  const lag = watchLag(auditor.client, traffic);
  await sleep(STEADY_MS);
  say(`  before: an event is in the log ${lag.take()} after its answer`);

  const { leader } = await queueOf(group);
  const since = performance.now();
  await group.kill(leader);
  await sleep(WITHOUT_NODE_MS);
  const after = await queueOf(group);
  say(`  node ${leader}, which led ${QUEUE}, killed: node ${after.leader} leads; ${lag.take()}`);
  const [second = 0] = [1, 2, 3].filter((node) => node !== leader && node !== after.leader);
  await group.kill(after.leader);
  await sleep(WITHOUT_QUORUM_MS);
  const ready = await fetch(`${ops.gateway}/readyz`);
  say(
    `  node ${after.leader} killed, node ${second} has no quorum: readyz ${ready.status} ${(await ready.text()).slice(0, 300)}`,
  );
  const outage = outageOf(traffic.done, since);
  say(
    `  since the first: ${outage.answered} requests, ${outage.refused} refused ${JSON.stringify(outage.statuses)}, the slowest answer ${Math.round(outage.slowestMs)} ms`,
  );
  must(outage.refused === 0, "requests were refused");
  await traffic.stop();

  await step(say, "starting both nodes again", () =>
    Promise.all([group.revive(leader), group.revive(after.leader)]),
  );
  const back = performance.now();
  await lag.stop();
  for (const { requestId } of traffic.done.slice(-LOOKUPS)) await untilInLog(auditor.client, requestId);
  say(`  ${((performance.now() - back) / 1_000).toFixed(1)} s later the log has caught up`);
  await step(say, `looking for the events of ${traffic.done.length} requests`, () =>
    eachOnce(auditor.client, traffic),
  );
  await step(say, "checking completeness, the whole log and a proof", () =>
    whole(ops, auditor.client, traffic),
  );
  await step(say, "the journey", () => journey(dir));
}

async function queueOf(group: RabbitGroup) {
  const queue = (await group.queues()).find(({ name }) => name === QUEUE);
  if (!queue) throw new Trouble(`there is no queue ${QUEUE}.`);
  return queue;
}

/** What the log has of a request; asked again while the service is busy. */
async function eventsOf(auditor: Client, requestId: string) {
  for (let tries = 1; ; tries++) {
    const answer = await auditor.get(`/v1/audit/events?requestId=${requestId}`);
    if (answer.status === 200) return items(answer.body);
    if (answer.status < 500 || tries > 50) throw new Trouble(`the log answered ${answer.status}.`);
    await sleep(100);
  }
}

async function untilInLog(auditor: Client, requestId: string): Promise<void> {
  for (const until = performance.now() + 180_000; performance.now() < until; await sleep(50))
    if ((await eventsOf(auditor, requestId)).length > 0) return;
  throw new Trouble("three minutes later the log has not caught up.");
}

/** How long events take into the log, one after the other. */
function watchLag(auditor: Client, traffic: Traffic) {
  let seen: number[] = [];
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const one = traffic.done.at(-1);
      if (!one) await sleep(100);
      else {
        while (!isOver && (await eventsOf(auditor, one.requestId)).length === 0) await sleep(50);
        seen.push(performance.now() - one.at);
        await sleep(200);
      }
    }
  })();
  work.catch(() => {}); // awaited by `stop`
  return {
    /** Of those since the last time. */
    take(): string {
      const sorted = seen.sort((a, b) => a - b);
      seen = [];
      const [median = 0, most = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
      return `${(median / 1_000).toFixed(2)} s, at most ${(most / 1_000).toFixed(1)} s (${sorted.length} looked at)`;
    },
    stop() {
      isOver = true;
      return work;
    },
  };
}

/** The event of each request stands in the log, once. */
async function eachOnce(auditor: Client, { done }: Traffic): Promise<void> {
  const wrong: string[] = [];
  const rest = [...done];
  await Promise.all(
    Array.from({ length: LOOKUPS }, async () => {
      for (let one = rest.pop(); one; one = rest.pop()) {
        const { length } = await eventsOf(auditor, one.requestId);
        if (length !== 1) wrong.push(`${one.isWrite ? "a write" : "a read"} has ${length} events`);
      }
    }),
  );
  must(
    wrong.length === 0,
    `${wrong.length} requests are not in the log once (${wrong.slice(0, 3).join(", ")})`,
  );
}

/** No number is missing of any service, the log holds together, and one event's proof holds offline. */
async function whole({ dirs }: Ops, auditor: Client, { done }: Traffic): Promise<void> {
  const { body } = await auditor.get("/v1/audit/completeness");
  for (const one of items(body))
    must(Array.isArray(one.gaps) && one.gaps.length === 0, `events of ${String(one.producer)} are missing`);
  const verified = await auditor.post("/v1/audit/verify");
  must(verified.body.ok === true, `the log does not verify: ${JSON.stringify(verified.body)}`);
  const [event] = await eventsOf(auditor, done.at(-1)?.requestId ?? "");
  const file = path.join(dirs.data, "proof.json");
  for (const until = performance.now() + 30_000; ; await sleep(500)) {
    const proof = await auditor.get(`/v1/audit/events/${String(event?.id)}/proof`);
    fs.writeFileSync(file, proof.raw);
    if (proof.status === 200 || performance.now() > until) break; // signed with the next checkpoint
  }
  const key = path.join(dirs.data, "audit/audit.vkey");
  const checked = await run(process.execPath, ["tools/verify-proof.mjs", "--key", key, file], { cwd: root });
  must(checked.code === 0, `the proof does not hold: ${checked.out}${checked.words}`);
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Trouble(`${otherwise}.`);
}
