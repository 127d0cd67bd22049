import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import type { PrescriptionView } from "@medvault/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  careCryptDump,
  fernetKey,
  fernetToken,
  PDF,
  prescriptionTuple,
} from "../tools/migrate-in/source.testdata.ts";
import { freshAdmin } from "./support/admin.ts";
import { type Client, signIn } from "./support/client.ts";
import { ops } from "./support/ops.ts";

const ROWS = 900;
const [key, source] = [fernetKey(), `e2e-${randomUUID().slice(0, 8)}`];
const mark = randomUUID().slice(0, 8);
let folder: string;
let admin: Client;
let doctor: Client;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "medvault-move-"));
  await mkdir(path.join(folder, "uploads"));
  await writeFile(path.join(folder, "fernet.key"), key);
  await writeFile(path.join(folder, "uploads", "a.enc"), fernetToken(key, PDF));
  admin = (await freshAdmin(ops())).client;
  const who = ops().demo.users.find(({ role }) => role === "doctor");
  if (!who) throw new Error("ops.json names no doctor");
  doctor = await signIn(ops().gateway, who);
  await writeFile(path.join(folder, "map.json"), JSON.stringify({ source, people: { 1: who.username } }));
  const tuples = Array.from({ length: ROWS }, (_, at) =>
    prescriptionTuple(key, {
      ...{ id: at + 1, user: 1, name: `${mark} O'Neil <b>${at % 300}</b>` },
      ...{ medication: `=SUM(A${at}) ${mark}`, notes: at % 2 === 0 ? 'BP <120 "x" \\ \nsecond line' : null },
    }),
  );
  // One whose token was changed, one that comes twice.
  tuples[7] = (tuples[7] as string).replace(
    /(gAAAAA[\w-]{60})(.)/,
    (_all, head, char) => head + (char === "A" ? "B" : "A"),
  );
  tuples.push(tuples[20] as string);
  const images = [
    "(1,1,'a.enc','pdf','2025-03-01 09:30:00')",
    "(2,2,'gone.enc','pdf','2025-03-01 09:30:00')",
  ];
  await writeFile(path.join(folder, "dump.sql"), careCryptDump(tuples, images));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Answer {
  counts: Record<string, Record<"stored" | "updated" | "known" | "refused", number>>;
  reasons: Record<string, number>;
  unnamedDoctors: number;
}
const args = (...more: string[]) => [
  ...["--disable-warning=ExperimentalWarning", path.resolve("tools/migrate-in.ts"), "--format", "carecrypt"],
  ...["--map", path.join(folder, "map.json"), "--fernet-key-file", path.join(folder, "fernet.key")],
  ...["--files", path.join(folder, "uploads"), "--work", path.join(folder, "work"), "--json"],
  ...["--gateway", ops().gateway, ...more, path.join(folder, "dump.sql")],
];
const env = () => ({
  PATH: process.env.PATH ?? "",
  MEDVAULT_DATA: folder,
  MEDVAULT_TOKEN: admin.token ?? "",
});

const run = (...more: string[]) =>
  new Promise<{ code: number; answer: Answer; err: string }>((resolve) => {
    execFile(process.execPath, args(...more), { env: env() }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, answer: JSON.parse(out || "{}") as Answer, err }),
    );
  });

/** Kills a run once so many rows are known to be stored. */
async function killedAfter(rows: number): Promise<void> {
  const child = spawn(process.execPath, args("--apply"), { env: env(), stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    words += chunk.toString();
  });
  const gone = once(child, "exit");
  while (child.exitCode === null && storedRows() < rows) await setImmediate();
  child.kill("SIGKILL");
  expect(await gone, words).toEqual([null, "SIGKILL"]);
}

function storedRows(): number {
  const file = path.join(folder, "work", "state.sqlite");
  if (!existsSync(file)) return 0;
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare("select count(*) as n from rows where id is not null").get()?.n);
  } catch {
    return 0; // just being made
  } finally {
    database.close();
  }
}

const found = async (q: string) => {
  const ids = new Set<string>();
  for await (const one of doctor.api.items("POST /v1/prescriptions/search", { body: { q, limit: 100 } }))
    ids.add(one.id);
  return ids.size;
};

test("a dry run sends nothing: what it says would be stored is nowhere yet", async () => {
  const { code, answer } = await run();
  expect({ code, ...answer }).toMatchObject({
    code: 1,
    counts: {
      patient: { stored: 300 },
      prescription: { stored: ROWS - 1, refused: 2 },
      file: { stored: 1, refused: 1 },
    },
    reasons: { bad_token: 2, duplicate: 1, no_file: 1 },
  });
  expect(await found(mark)).toBe(0);
});

test("killed twice on its way, it goes on, and every row is there once, to the letter", async () => {
  await killedAfter(50);
  await killedAfter(450);
  const { code, answer, err } = await run("--apply");
  expect({ code, ...answer }, err).toMatchObject({
    code: 1,
    reasons: { bad_token: 2, duplicate: 1, no_file: 1 },
  });
  const { patient, prescription, file } = answer.counts;
  expect((patient?.stored ?? 0) + (patient?.known ?? 0)).toBe(300);
  expect((prescription?.stored ?? 0) + (prescription?.known ?? 0)).toBe(ROWS - 1);
  expect(file).toMatchObject({ stored: 1, refused: 1 });
  expect(await found(mark)).toBe(ROWS - 1);
  const { data } = await doctor.api.call("POST /v1/prescriptions/search", { body: { q: `SUM(A0) ${mark}` } });
  const first = data.items[0] as PrescriptionView;
  expect(first).toMatchObject({
    medication: `=SUM(A0) ${mark}`,
    dosage: "One tablet",
    notes: 'BP <120 "x" \\ \nsecond line',
    ...{ startDate: "2025-03-02", status: "unknown" },
  });
  const { patientId } = first;
  expect((await doctor.api.call("GET /v1/patients/{id}", { path: { id: patientId } })).data).toMatchObject({
    familyName: `${mark} O'Neil <b>0</b>`,
  });
  const attachedTo = `prescription/${first.id}`;
  const files = (await doctor.api.call("GET /v1/files", { query: { attachedTo } })).data.items;
  expect(files).toMatchObject([{ name: "a.pdf", contentType: "application/pdf" }]);
  const id = String(files[0]?.id);
  expect((await doctor.get(`/v1/files/${id}/content`)).raw).toEqual(PDF);
});

test("a second run stores nothing, also when nobody knows of the first", async () => {
  for (const isForgotten of [false, true]) {
    if (isForgotten) await rm(path.join(folder, "work"), { recursive: true });
    const { answer } = await run("--apply");
    for (const [kind, known] of Object.entries({ patient: 300, prescription: ROWS - 1, file: 1 }))
      expect(answer.counts[kind], kind).toMatchObject({ stored: 0, updated: 0, known });
  }
  expect(await found(mark)).toBe(ROWS - 1);
});

test("the report names what was refused and why, and nobody", async () => {
  const text = await readFile(path.join(folder, "work", "refused.ndjson"), "utf8");
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { table: "prescriptions", row: 8, key: "8", as: "patient", code: "bad_token" },
    { table: "prescriptions", row: 8, key: "8", as: "prescription", code: "bad_token" },
    { table: "prescriptions", row: ROWS + 1, key: "21", as: "prescription", code: "duplicate" },
    { table: "prescription_images", row: 2, key: "2", as: "file", code: "no_file" },
  ]);
  expect(text).not.toContain(mark);
});

test("under a wrong key, or of a dump that was cut, nothing is stored", async () => {
  const dump = await readFile(path.join(folder, "dump.sql"));
  await writeFile(path.join(folder, "map.json"), JSON.stringify({ source: `${source}-2` }));
  await writeFile(path.join(folder, "fernet.key"), fernetKey());
  expect(await run("--apply")).toMatchObject({ code: 1, err: expect.stringMatching(/the key is wrong/) });
  await writeFile(path.join(folder, "fernet.key"), key);
  await writeFile(path.join(folder, "dump.sql"), dump.subarray(0, dump.length - 3_000));
  expect(await run("--apply")).toMatchObject({ code: 1, err: expect.stringMatching(/was cut/) });
  expect(await found(mark)).toBe(ROWS - 1);
});
