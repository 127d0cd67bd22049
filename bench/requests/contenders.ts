import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { Ops } from "../../e2e/support/system.ts";
import { type Asker, openAsker } from "../asker.ts";
import { requestOf } from "../gateway/load.ts";
import { start } from "../gateway/processes.ts";
import { corpusOf } from "../search/corpus.ts";
import { openSeeder, PER_PATIENT } from "../search/seed.ts";
import { type Meter, openMeter } from "./usage.ts";

/** One of two services that are asked the same. */
export interface Contender {
  readonly port: number;
  /** Before each round. */
  ready(): Promise<void>;
  read(): Buffer;
  create(): Buffer;
  list(): Buffer;
  search(): Buffer;
  upload(): Buffer;
  download(): Buffer;
}

export interface Contenders {
  readonly ours: Contender;
  readonly bare: Contender;
  readonly ops: Ops;
  readonly meter: Meter;
  /** Puts the doctor on the care team of so many patients: those of before, and more. */
  panel(patients: number): Promise<void>;
}

const ROWS = 100_000;
export const PATIENTS = ROWS / PER_PATIENT;
/** Those whose prescriptions are asked for. */
const FIRST = 2_000;
const IDS = 1_000;
const FILE_BYTES = 5 * 1024 * 1024;
/** As long as a browser's. */
const BOUNDARY = "----WebKitFormBoundaryMedVaultBench0000";
const FILE = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(FILE_BYTES - 9)]);

const BARE_TABLE = `
  create schema bare;
  create table bare.prescriptions (id uuid primary key, patient_id uuid not null, medication text not null, dosage text,
    frequency text, refills integer, start_date date not null, status text not null, created_at timestamptz not null);
  create index on bare.prescriptions (start_date desc, id desc);
  create index on bare.prescriptions (patient_id, start_date desc, id desc);`;

/** 100,000 prescriptions in both, and a doctor who has one patient yet; runs `work` beside them. */
export async function withContenders<T>(ops: Ops, work: (both: Contenders) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "medvault-bench-"));
  const superuser = new pg.Client({ connectionString: ops.postgres.superuser });
  await superuser.connect();
  const doctor = await openAsker(ops, "doctor");
  const seeder = await openSeeder(ops, corpusOf(), doctor.id);
  const bare = await start("../requests/bare-service.ts", ops.postgres.superuser, folder);
  const meter = await openMeter(ops, bare.pid);
  try {
    await seeder.add(PATIENTS);
    await seeder.assign(doctor.id, 1);
    await superuser.query(BARE_TABLE);
    await fillBare(superuser);
    await seeder.settled();
    // What was seeded is cleaned up and written before, not while others are measured.
    for (const step of ["vacuum analyze", "checkpoint"]) await superuser.query(step);
    const { rows } = await seeder.pool.query<{ id: string; patientId: string }>(
      `select x.id, x.patient_id as "patientId" from prescriptions x
        where x.patient_id in (${seeder.firstPatients}) order by md5(x.id::text) limit ${IDS}`,
      [FIRST],
    );
    const [patient] = (await seeder.pool.query<{ id: string }>(seeder.firstPatients, [1])).rows;
    const both = {
      ours: await oursOf(ops, doctor, rows, patient?.id ?? ""),
      bare: await bareOf(bare, superuser),
      panel: (patients: number) => seeder.assign(doctor.id, patients),
      ...{ ops, meter },
    };
    return await work(both);
  } finally {
    bare.stop();
    await meter.close();
    await seeder.close();
    await superuser.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fillBare(superuser: pg.Client): Promise<void> {
  const corpus = corpusOf();
  for (let left = ROWS; left > 0; left -= 10_000) {
    const [terms, days] = [
      Array.from({ length: 10_000 }, corpus.term),
      Array.from({ length: 10_000 }, corpus.day),
    ];
    await superuser.query(
      `insert into bare.prescriptions
       select gen_random_uuid(), gen_random_uuid(), x.term, 'One tablet', 'daily', 0, x.day, 'active', now()
         from unnest($1::text[], $2::date[]) x (term, day)`,
      [terms, days],
    );
  }
  await superuser.query("analyze bare.prescriptions");
}

const prescription = (patientId: string): string =>
  JSON.stringify({
    ...{ patientId, medication: "Metformin 500 mg oral tablet", dosage: "One tablet" },
    ...{ startDate: "2026-01-15", status: "active" },
  });

const inTurn = <T>(all: readonly T[]): (() => T) => {
  let at = 0;
  return () => all[at++ % all.length] as T;
};

async function oursOf(
  ops: Ops,
  doctor: Asker,
  rows: readonly { id: string; patientId: string }[],
  uploadsOf: string,
): Promise<Contender> {
  const row = inTurn(rows);
  const part = (head: string) => `--${BOUNDARY}\r\ncontent-disposition: form-data; ${head}\r\n`;
  const form = (patientId: string) =>
    Buffer.concat([
      Buffer.from(
        `${part('name="patientId"')}\r\n${patientId}\r\n${part('name="files"; filename="a.pdf"')}content-type: application/pdf\r\n\r\n`,
      ),
      FILE,
      Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
    ]);
  const body = form(uploadsOf);
  const uploading = () =>
    doctor.request("POST", "/v1/files", body, `multipart/form-data; boundary=${BOUNDARY}`);
  let upload = uploading();
  const fileId = await firstFile(ops, upload);
  return {
    port: doctor.port,
    ready: async () => {
      await doctor.refresh();
      upload = uploading(); // once a round, as the bare one's: a client's copies are no part of it
    },
    read: () => doctor.request("GET", `/v1/prescriptions/${row().id}`),
    create: () => doctor.request("POST", "/v1/prescriptions", prescription(row().patientId)),
    list: () => doctor.request("GET", "/v1/prescriptions?limit=20"),
    search: () => doctor.request("POST", "/v1/prescriptions/search", '{"q":"tablet"}'),
    upload: () => upload,
    download: () => doctor.request("GET", `/v1/files/${fileId}/content`),
  };
}

async function bareOf({ port }: { port: number }, superuser: pg.Client): Promise<Contender> {
  const { rows } = await superuser.query<{ id: string }>(`select id from bare.prescriptions limit ${IDS}`);
  const row = inTurn(rows);
  const json = { "content-type": "application/json" };
  const upload = requestOf("POST", "/v1/files", { "content-type": "application/pdf" }, FILE);
  const stored = await fetch(`http://127.0.0.1:${port}/v1/files`, { method: "POST", body: FILE });
  const { id } = (await stored.json()) as { id: string };
  return {
    port,
    ready: async () => undefined,
    read: () => requestOf("GET", `/v1/prescriptions/${row().id}`, {}),
    create: () => requestOf("POST", "/v1/prescriptions", json, prescription(row().id)),
    list: () => requestOf("GET", "/v1/prescriptions?limit=20", {}),
    search: () => requestOf("POST", "/v1/prescriptions/search", json, '{"q":"tablet"}'),
    upload: () => upload,
    download: () => requestOf("GET", `/v1/files/${id}/content?bytes=${FILE_BYTES}`, {}),
  };
}

/** The id of a file that an upload stores. */
async function firstFile({ gateway }: Ops, request: Buffer): Promise<string> {
  const end = request.indexOf("\r\n\r\n");
  const lines = request.subarray(0, end).toString().split("\r\n").slice(1);
  const headers = Object.fromEntries(lines.map((line) => line.split(": ") as [string, string]));
  delete headers.host;
  delete headers["content-length"];
  const answer = await fetch(`${gateway}/v1/files`, {
    method: "POST",
    headers,
    body: request.subarray(end + 4),
  });
  const { items } = (await answer.json()) as { items?: { id: string }[] };
  if (!items?.[0]) throw new Error(`an upload was answered ${answer.status}`);
  return items[0].id;
}
