import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTestAuthority } from "@medvault/testing";
import { dataDir, root } from "../../dev/lib/paths.mjs";
import { step, Trouble } from "../../dev/lib/words.mjs";
import { serverDir, serverFile } from "../../dev/servers/files.ts";
import { claimPorts } from "../../dev/servers/ports.ts";
import { type RedisGroup, redisGroup } from "../../dev/servers/redis-group.ts";
import { Client } from "../../e2e/support/client.ts";
import { demoAdmin, invite, type Person, registerPatient } from "../../e2e/support/people.ts";
import { type RunningSystem, startSystem } from "../../e2e/support/system.ts";
import { journey } from "../scaling/journey.ts";
import { endOnSignal } from "./ending.ts";
import { outageOf, startTraffic, type Traffic, untilSteady } from "./traffic.ts";

const STEADY_MS = 5_000;
/** Different patients whom one user may ask for in an hour. */
const PATIENTS = 600;
const FAILURES = 5;

type Say = (line: string) => void;

/** MedVault on three Redis with sentinels, all with TLS; the one that leads is killed twice. */
export async function redisFailover(say: Say, rate: number): Promise<void> {
  const data = dataDir(path.join(root, ".data", "rehearse-redis"));
  fs.rmSync(data, { recursive: true, force: true });
  fs.mkdirSync(data, { recursive: true });
  const { ports, release } = await claimPorts(data, undefined);
  const { ca, tls } = await certificates(data);
  const sentinelPassword = randomUUID();
  const group = await redisGroup({
    ...{ data, tls, port: ports.base + 20, say: (line: string) => say(`  ${line}`) },
    ...{ password: randomUUID(), sentinelPassword },
  });
  let system: RunningSystem | null = null;
  endOnSignal(async () => {
    await system?.stop();
    await group.stop();
  });
  try {
    await step(say, "starting three Redis and three sentinels", () => group.start());
    const env = {
      ...{ REDIS_URL: group.url, REDIS_SENTINELS: group.sentinels, MEDVAULT_TLS_CA_FILE: ca },
      ...{ REDIS_SENTINEL_PASSWORD: sentinelPassword, MEDVAULT_PATIENTS_PER_HOUR: String(PATIENTS) },
    };
    system = await step(say, "starting MedVault on them", () =>
      startSystem("rehearse-redis-medvault", { env }),
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

async function certificates(data: string) {
  const authority = await createTestAuthority("rehearsal");
  const { cert, key } = await authority.issue({ names: ["127.0.0.1"] });
  const dir = serverDir(path.join(data, "tls"));
  const write = (name: string, text: string) => serverFile(path.join(dir, name), text);
  const tls = {
    cert: write("cert.pem", cert),
    key: write("key.pem", key),
    ca: write("ca.pem", authority.ca),
  };
  return { tls, ca: tls.ca };
}

async function underTraffic(
  say: Say,
  rate: number,
  group: RedisGroup,
  { ops, dataDir: dir }: RunningSystem,
): Promise<void> {
  const { client: admin } = await demoAdmin(ops);
  const doctor = await invite(ops, admin, "doctor");
  const counted = await invite(ops, admin, "doctor");
  const people: Person[] = [];
  for (let i = 0; i < 8; i++) people.push(await registerPatient(ops));
  const [locked, ...others] = people as [Person, ...Person[]];
  const ended = others.slice(0, 4);
  const [late, ...kept] = others.slice(4) as [Person, ...Person[]];
  const seen = await askForPatients(counted.client, 400);
  must(seen === 400, `${seen} of 400 patients were asked for`);
  for (let i = 0; i < 3; i++) await guess(ops.gateway, locked);

  const traffic = startTraffic(doctor.client, rate);
  await sleep(STEADY_MS);
  const tokens = ended.map(({ client }) => client.token ?? "");
  for (const one of ended)
    must((await one.client.post("/v1/auth/logout")).status === 204, "a sign-out was refused");
  const watch = watchEnded(ops.gateway, tokens);
  const dead = await group.leader();
  await killLeader(say, group, traffic, async () => {
    const { status } = await late.client.post("/v1/auth/logout");
    must(status === 503, `a sign-out while none led was answered ${status}`);
  });
  must(
    (await late.client.post("/v1/auth/logout")).status === 204,
    "a sign-out was refused after the failover",
  );
  must((await me(ops.gateway, late.client.token ?? "")) === 401, "a session that had ended was alive");
  for (const one of kept) must((await one.client.get("/v1/auth/me")).status === 200, "a session was lost");
  for (let i = 3; i < FAILURES; i++) await guess(ops.gateway, locked);
  const opened = await new Client(ops.gateway).post("/v1/auth/login", {
    ...{ identifier: locked.username, password: locked.password },
  });
  must(opened.status !== 200, "an account with five failures was not locked");
  const left = await askForPatients(counted.client, 250);
  say(`  of ${PATIENTS} patients an hour, ${seen} before and ${left} after the failover`);
  must(seen + left === PATIENTS, "the limit was not exact");
  await step(say, "bringing the killed one back as a replica", () => group.revive(dead));
  await killLeader(say, group, traffic);
  must(watch.stop() === 0, "a session that had ended was alive");
  say(`  sessions that had ended were asked for ${watch.asked()} times, and refused each time`);
  await traffic.stop();
  await step(say, "the journey", () => journey(dir));
}

/** Kills the server that leads and waits until requests are served again; says what it cost. */
async function killLeader(
  say: Say,
  group: RedisGroup,
  traffic: Traffic,
  meanwhile = async () => {},
): Promise<void> {
  const since = performance.now();
  await group.kill(await group.leader());
  await sleep(1_000);
  await meanwhile();
  await untilSteady(traffic, since);
  const outage = outageOf(traffic.done, since);
  say(
    `  killed: ${outage.seconds.toFixed(1)} s without service, ${outage.refused} of ${outage.answered} requests refused (${JSON.stringify(outage.statuses)}), the slowest answer ${Math.round(outage.slowestMs)} ms`,
  );
  must(
    Object.keys(outage.statuses).every((status) => status === "503" || status === "504"),
    "a refusal was neither 503 nor 504",
  );
  must(outage.withoutWhen === 0, "a refusal did not say when to come again");
}

/** How many of so many unknown patients the gateway let through. */
async function askForPatients(client: Client, count: number): Promise<number> {
  let through = 0;
  for (let i = 0; i < count; i++) {
    const path = `/v1/patients/${randomUUID()}`;
    let { status } = await client.get(path);
    for (let tries = 0; status > 429 && tries < 50; tries++) ({ status } = await client.get(path)); // counted once
    if (status === 404) through += 1;
    else must(status === 429, `a patient was answered ${status}`);
  }
  return through;
}

async function guess(gateway: string, { username }: Person): Promise<void> {
  const { status } = await new Client(gateway).post("/v1/auth/login", {
    ...{ identifier: username, password: "Not-this-one-7!" },
  });
  must(status === 401, `a wrong password was answered ${status}`);
}

/** The status that a token gets; 0: no answer. */
const me = (gateway: string, token: string): Promise<number> =>
  fetch(`${gateway}/v1/auth/me`, { headers: { authorization: `Bearer ${token}` } }).then(
    async (answer) => {
      await answer.body?.cancel();
      return answer.status;
    },
    () => 0,
  );

/** Asks with the tokens of ended sessions, again and again; `stop` says how often one was let in. */
function watchEnded(gateway: string, tokens: readonly string[]) {
  let asked = 0;
  let letIn = 0;
  const timer = setInterval(() => {
    for (const token of tokens) {
      void me(gateway, token).then((status) => {
        asked += 1;
        if (status === 200) letIn += 1;
      });
    }
  }, 200).unref();
  return {
    asked: () => asked,
    stop() {
      clearInterval(timer);
      return letIn;
    },
  };
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Trouble(`${otherwise}.`);
}
