// A MedVault of its own, each of whose stores is a small file system: full in turn, and all at once.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Disk, mountDisk } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { stopRunning } from "../dev/lib/stop.mjs";
import { freshAdmin } from "./support/admin.ts";
import type { Answer, Client, Json } from "./support/client.ts";
import { invite, items, type Person, text } from "./support/people.ts";
import { type Ops, type RunningSystem, startSystem } from "./support/system.ts";

/** MiB. `data` holds Postgres and the supervisor's own files, the others lie in it. */
const SIZES = {
  data: 640,
  ...{ files: 64, backups: 64, audit: 64, mail: 16, log: 32, redis: 64 },
  rabbitmq: 320, // its alarm is at 100 MB
};
type Store = keyof typeof SIZES;

const place = mkdtempSync(path.join(tmpdir(), "medvault-full-disk-"));
const disks = {} as Record<Store, Disk>;
let trouble: string | null = null;
let system: RunningSystem;
let admin: Client;
let doctor: Person;
let auditor: Person;
let patientId: string;
/** Paths of what was acknowledged: each must be there at the end. */
const acknowledged: string[] = [];
/** Answers that no full disk excuses: kept here, since polling would try again. */
const wrong = new Set<string>();

beforeAll(async () => {
  await chmod(place, 0o755); // the servers' user passes through
  for (const [store, mib] of Object.entries(SIZES) as [Store, number][]) {
    const disk = mountDisk(
      store === "data" ? path.join(place, "data") : path.join(place, "data", store),
      mib,
    );
    if (typeof disk === "string") {
      console.warn(`skipped: ${disk}`);
      trouble = disk;
      return;
    }
    disks[store] = disk;
  }
  const env = { MEDVAULT_DEMO: "0", MEDVAULT_MIN_FREE_MIB: "100" };
  system = await startSystem("full-disk", { dataDir: path.join(place, "data"), env });
  admin = (await freshAdmin(system.ops)).client;
  doctor = await invite(system.ops, admin, "doctor");
  auditor = await invite(system.ops, admin, "auditor");
  const patient = { givenName: "Ada", familyName: "Fuller", birthDate: "1957-03-02", sex: "female" };
  const made = await doctor.client.post("/v1/patients", patient, key());
  patientId = text(made.body, "id");
  expect(await upload()).toBe("stored");
});
afterAll(async () => {
  await system?.stop();
  await stopRunning(path.join(place, "data")); // had the supervisor died, its servers would go on
  for (const disk of Object.values(disks).reverse()) disk.unmount();
  rmSync(place, { recursive: true, force: true });
});
afterEach(() => expect([...wrong]).toEqual([]));
beforeEach(({ skip }) => skip(trouble !== null, trouble ?? ""));

const key = () => ({ "idempotency-key": randomUUID() });

/** "stored", or the code of a refusal. What is neither, or slow, or says no time to come back, is wrong. */
async function attempt(call: () => Promise<Answer<Json>>, pathOf: (body: Json) => string): Promise<string> {
  const since = performance.now();
  const { status, headers, body } = await call();
  const tookMs = performance.now() - since;
  if (status === 201) acknowledged.push(pathOf(body));
  const refused = status === 503 && Number(headers.get("retry-after")) > 0;
  if ((status !== 201 && !refused) || tookMs > 10_000)
    wrong.add(`${status} ${body.code} after ${Math.round(tookMs / 1_000)} s`);
  return status === 201 ? "stored" : text(body, "code");
}

/** Compresses badly, so that tables grow. */
const longText = () => Array.from({ length: 250 }, () => randomUUID()).join(" ");
const note = (body = longText()) =>
  attempt(
    () =>
      doctor.client.post(
        `/v1/patients/${patientId}/records`,
        { type: "note", title: "Note", body, occurredAt: "2026-11-20T09:30:00Z" },
        key(),
      ),
    (made) => `/v1/records/${text(made, "id")}`,
  );
function upload(): Promise<string> {
  const form = new FormData();
  form.set("patientId", patientId);
  form.append("files", new Blob([`%PDF-1.4\n${longText()}\n%%EOF\n`], { type: "application/pdf" }), "a.pdf");
  return attempt(
    () => doctor.client.call("POST", "/v1/files", { form, headers: key() }),
    (made) => `/v1/files/${text(items(made)[0] as Json, "id")}/content`,
  );
}

const times = async <T>(count: number, work: () => Promise<T>): Promise<Set<T>> => {
  const found = new Set<T>();
  for (let i = 0; i < count; i++) found.add(await work());
  return found;
};
const opsNow = () => JSON.parse(readFileSync(path.join(place, "data/ops.json"), "utf8")) as Ops;
const processOf = (name: string) => {
  const found = opsNow().processes.find((one) => one.name === name);
  if (!found) throw new Error(`no process ${name}`);
  return found;
};
type Readiness = { status: string; checks: Record<string, string> };
const readyz = async (port?: number): Promise<Readiness> =>
  (await (
    await fetch(`${port ? `http://127.0.0.1:${port}` : system.ops.gateway}/readyz`)
  ).json()) as Readiness;
const states = async (name: string) => (await readyz(processOf(name).adminPort)).checks;
const allWell = (timeout = 30_000) =>
  expect
    .poll(async () => (await readyz()).checks, { timeout })
    .toSatisfy((checks: object) => Object.values(checks).every((state) => state === "ok"));

test("the files' store: uploads are refused, downloads work, nothing half stored remains", async () => {
  const stored = acknowledged.at(-1) ?? "";
  disks.files.fill();
  expect(await times(15, upload)).toEqual(new Set(["storage_full"]));
  expect((await doctor.client.get(stored)).status).toBe(200);
  await expect.poll(() => states("files")).toMatchObject({ store: "degraded" });
  await expect.poll(async () => (await readyz()).checks.files).toBe("degraded");
  const left = readdirSync(path.join(disks.files.dir, "tmp"), { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
  disks.files.free();
  expect(await upload()).toBe("stored");
  await allWell();
});

test("the backups' store: a backup is refused, and made once there is room", async () => {
  disks.backups.fill();
  const refused = await admin.post("/v1/backups", {}, key());
  expect(refused).toMatchObject({ status: 503, body: { code: "storage_full" } });
  await expect.poll(async () => (await readyz()).checks.backup).toBe("degraded");
  disks.backups.free();
  const made = await admin.post("/v1/backups", {}, key());
  expect(made.status).toBe(202);
  const state = async () => (await admin.get(`/v1/backups/${text(made.body, "id")}`)).body.state;
  await expect.poll(state, { timeout: 30_000 }).toBe("complete");
  await allWell();
});

test("the audit log's outside store: events wait, and are signed once there is room", async () => {
  disks.audit.fill();
  expect(await times(10, note)).toEqual(new Set(["stored"]));
  await expect.poll(async () => (await readyz()).checks.audit, { timeout: 15_000 }).toBe("degraded");
  disks.audit.free();
  await allWell();
});

test("RabbitMQ's disk and the mails' folder: what happened waits, and goes once there is room", async () => {
  disks.rabbitmq.fill();
  disks.mail.fill();
  const mails = () => readdirSync(disks.mail.dir).filter((name) => name !== ".filler");
  const before = mails();
  const forgot = await admin.post("/v1/auth/password/forgot", { email: doctor.email });
  expect(forgot.status).toBe(202);
  await expect.poll(() => states("auth")).toMatchObject({ mail: "degraded" });
  const blocked = async () => {
    expect(await note()).toBe("stored");
    return (await states("records")).rabbitmq;
  };
  await expect.poll(blocked, { timeout: 30_000, interval: 500 }).toBe("degraded");
  expect(mails()).toEqual(before);
  disks.rabbitmq.free();
  disks.mail.free();
  await expect.poll(() => mails().length, { timeout: 40_000 }).toBe(before.length + 1);
  await allWell();
});

test("Redis' disk and the logs': sessions are refused, lines are dropped and told of, nobody ends", async () => {
  const { pid, adminPort, log } = processOf("gateway");
  disks.redis.fill();
  disks.log.fill();
  await expect.poll(() => note("short"), { timeout: 10_000, interval: 100 }).toBe("storage_full");
  expect(await times(20, () => note("short"))).toEqual(new Set(["storage_full"]));
  await expect.poll(async () => (await readyz()).checks.redis).toBe("degraded");
  disks.redis.free();
  disks.log.free();
  await expect.poll(() => note("short"), { timeout: 10_000 }).toBe("stored");
  await expect.poll(() => readFileSync(log, "utf8")).toMatch(/"count":\d+,"msg":"log lines were dropped/);
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  expect(metrics).toMatch(/^log_lines_dropped_total [1-9]/m);
  await allWell();
  expect(processOf("gateway").pid).toBe(pid);
});

test("Postgres' disk, with the supervisor's files: writes are refused, the dead come back", async () => {
  disks.data.fill();
  await expect.poll(() => note(), { timeout: 10_000, interval: 0 }).toBe("storage_full");
  expect(await times(15, note)).toEqual(new Set(["storage_full"]));
  await expect.poll(() => states("records")).toMatchObject({ postgres: "degraded" });
  await expect.poll(async () => (await readyz()).checks.records).toBe("degraded");
  const { pid } = processOf("files");
  process.kill(pid, "SIGKILL");
  await expect.poll(async () => (await states("files")).store, { timeout: 20_000 }).toBe("ok");
  disks.data.free();
  await expect.poll(() => note(), { timeout: 30_000 }).toBe("stored");
  await allWell();
  await expect.poll(() => processOf("files").pid).not.toBe(pid);
});

test("all at once, with what dies of it: only refusals, then all is well again by itself", async () => {
  for (const disk of Object.values(disks).reverse()) disk.fill();
  const { postgres, redis, rabbitmq } = opsNow();
  const { pid } = processOf("gateway");
  await expect.poll(() => note(), { timeout: 10_000, interval: 0 }).not.toBe("stored");
  for (const dead of [postgres.pid, redis.pid, rabbitmq.pid, processOf("auth").pid])
    process.kill(dead, "SIGKILL");
  const seen = new Set<string>();
  for (const end = Date.now() + 8_000; Date.now() < end; ) {
    for (const act of [note, upload]) seen.add(await act());
    const read = await doctor.client.get(`/v1/patients/${patientId}`);
    expect([200, 503]).toContain(read.status);
  }
  expect([...seen].filter((code) => code !== "unavailable" && code !== "storage_full")).toEqual([]);

  for (const disk of Object.values(disks)) disk.free();
  const since = Date.now();
  await allWell(60_000);
  console.log(`all was well ${((Date.now() - since) / 1000).toFixed(1)} s after there was room`);
  expect(await note()).toBe("stored");
  expect(await upload()).toBe("stored");
  expect(processOf("gateway").pid).toBe(pid);
}, 120_000);

test("nothing that was acknowledged is lost, and the audit log is whole", async () => {
  expect(acknowledged.length).toBeGreaterThan(20);
  for (const one of acknowledged) expect([one, (await doctor.client.get(one)).status]).toEqual([one, 200]);
  const verified = await auditor.client.post("/v1/audit/verify");
  expect(verified).toMatchObject({ status: 200, body: { ok: true } });
  const gaps = async () => {
    const { body } = await auditor.client.get("/v1/audit/completeness");
    return items(body).flatMap((producer) => producer.gaps as Json[]);
  };
  await expect.poll(gaps, { timeout: 30_000 }).toEqual([]);
});
