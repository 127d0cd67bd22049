import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Actor,
  ASSERTION_HEADER,
  type CloudEvent,
  type FileView,
  newId,
  type Role,
} from "@medvault/contracts";
import { actor, pendingEvents, startTestService, testAssertions } from "@medvault/testing";
import { service } from "../src/service.ts";
import { type Grants, startOthers } from "./others.ts";

export const MAX_FILE_BYTES = 300_000;

export interface Person {
  id: string;
  headers: Record<string, string>;
}

/** The files service with a database, directory, port and stand-in for records of its own. */
export async function startFiles(settings: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "medvault-files-"));
  const store = join(directory, "store");
  const grants: Grants = new Map();
  const records = await startOthers(grants);
  const files = await startTestService(service, {
    env: {
      MEDVAULT_FILES_DIR: store,
      MEDVAULT_RECORDS_URL: records.url,
      MEDVAULT_AUTH_URL: records.url,
      MEDVAULT_AUDIT_URL: records.url,
      MEDVAULT_MAX_UPLOAD_BYTES: String(MAX_FILE_BYTES),
      ...settings,
    },
  });
  const { pool, url, context } = files;
  return {
    ...{ url, pool, store, records },
    context,
    blobs: context.blobs,
    dump: files.dump,
    async person(role: Role, overrides: Partial<Actor> = {}): Promise<Person> {
      const person = actor(role, overrides as object);
      return { id: person.id, headers: { [ASSERTION_HEADER]: await (await testAssertions()).sign(person) } };
    },
    /** A patient of these people. */
    patientOf(...people: Person[]): string {
      const id = newId();
      const ids = people.map((person) => person.id);
      const access = { read: new Set(ids), write: new Set(ids), prescriptions: new Set<string>() };
      grants.set(id, { ...access, vouched: true, chart: [id], closed: [] });
      return id;
    },
    /** From now on this person reaches the patient too. */
    grant(patientId: string, person: Person): void {
      grants.get(patientId)?.read.add(person.id);
    },
    /** From now on this person reaches the patient no more. */
    revoke(patientId: string, person: Person): void {
      grants.get(patientId)?.read.delete(person.id);
    },
    /** From now on these are one chart, or each its own again. */
    mergeOf(survivor: string, merged: string, undone = false): void {
      for (const id of [survivor, merged]) {
        const patient = grants.get(id);
        if (patient) patient.chart = undone ? [id] : [survivor, merged];
      }
    },
    /** From now on these parts of the chart are closed, to everyone who asks. */
    close(patientId: string, ...closed: string[]): void {
      Object.assign(grants.get(patientId) ?? {}, { closed });
    },
    /** From now on staff answers for the patient, or nobody does. */
    vouch(patientId: string, vouched: boolean): void {
      const patient = grants.get(patientId);
      if (patient) patient.vouched = vouched;
    },
    prescriptionOf(patientId: string): string {
      const id = newId();
      grants.get(patientId)?.prescriptions.add(id);
      return id;
    },
    /** Everything in the outbox, oldest first. */
    events: (): Promise<CloudEvent[]> => pendingEvents(pool),
    async rows(): Promise<number> {
      const { rows } = await pool.query<{ count: number }>("select count(*) as count from files");
      return rows[0]?.count ?? 0;
    },
    /** Every regular file under the store. */
    async onDisk(): Promise<string[]> {
      const entries = await readdir(store, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    },
    async stop() {
      await files.close();
      await records.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
export type Files = Awaited<ReturnType<typeof startFiles>>;

/** One part of a form: a field, or a file with its name and declared type. */
export type FormPart =
  | [field: string, value: string]
  | [field: "files", bytes: Buffer, name: string, type: string];

export function form(...parts: FormPart[]): FormData {
  const data = new FormData();
  for (const [field, value, name, type] of parts) {
    if (typeof value === "string") data.append(field, value);
    else data.append(field, new Blob([new Uint8Array(value)], { type: type ?? "" }), name);
  }
  return data;
}

/** Either answer: the files, or the problem. */
interface UploadBody {
  items: FileView[];
  code?: string;
  requestId?: string;
}

export async function upload(
  files: Files,
  person: Person,
  body: FormData,
  headers: Record<string, string> = {},
) {
  const answer = await fetch(`${files.url}/v1/files`, {
    method: "POST",
    headers: { ...person.headers, ...headers },
    body,
  });
  const json = (await answer.json()) as UploadBody;
  return { status: answer.status, headers: answer.headers, body: json };
}

export async function get(files: Files, person: Person, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${files.url}${path}`, { headers: { ...person.headers, ...headers } });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
}
