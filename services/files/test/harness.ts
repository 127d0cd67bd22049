import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AccessView,
  ASSERTION_HEADER,
  type CloudEvent,
  type FileView,
  newId,
  type Role,
} from "@medvault/contracts";
import { actor, pendingEvents, startTestService, testAssertions } from "@medvault/testing";
import { service } from "../src/service.ts";

/** Names are null then. */
const NOBODY_THERE = "http://127.0.0.1:1";
export const MAX_FILE_BYTES = 300_000;

/** Who may do what to whom, as the stand-in for records answers it. */
export type Grants = Map<
  string,
  { read: Set<string>; write: Set<string>; prescriptions: Set<string>; vouched: boolean; chart: string[] }
>;

/**
 * An HTTP server with records' access endpoint: the caller is read from the passed assertion,
 * unverified, and looked up in `grants`. The real one is in the e2e journey.
 */
async function startRecordsStandIn(grants: Grants) {
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "", "http://records");
    const [, patientId = ""] = /^\/internal\/patients\/([^/]+)\/access$/.exec(url.pathname) ?? [];
    const claims = String(req.headers[ASSERTION_HEADER]).split(".")[1] ?? "";
    const { sub } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub: string };
    const patient = grants.get(patientId);
    const action = url.searchParams.get("action") === "write" ? "write" : "read";
    const prescription = url.searchParams.get("prescriptionId");
    const allowed =
      patient?.[action].has(sub) === true &&
      (prescription === null || patient.prescriptions.has(prescription));
    res.writeHead(allowed ? 200 : 404, { "content-type": "application/json" });
    res.end(
      JSON.stringify(
        allowed
          ? AccessView.parse({ allowed, patientId, reason: "assigned", ...patient })
          : { code: "not_found" },
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => stopServer(server),
  };
}

function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

export interface Person {
  id: string;
  headers: Record<string, string>;
}

/** The files service with a database, directory, port and stand-in for records of its own. */
export async function startFiles(settings: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "medvault-files-"));
  const store = join(directory, "store");
  const grants: Grants = new Map();
  const records = await startRecordsStandIn(grants);
  const files = await startTestService(service, {
    env: {
      MEDVAULT_FILES_DIR: store,
      MEDVAULT_RECORDS_URL: records.url,
      MEDVAULT_AUTH_URL: NOBODY_THERE,
      MEDVAULT_MAX_UPLOAD_BYTES: String(MAX_FILE_BYTES),
      ...settings,
    },
  });
  const { pool, url, context } = files;
  return {
    ...{ url, pool, store, records },
    context,
    blobs: context.blobs,
    async person(role: Role): Promise<Person> {
      const person = actor(role);
      return { id: person.id, headers: { [ASSERTION_HEADER]: await (await testAssertions()).sign(person) } };
    },
    /** A patient of these people. */
    patientOf(...people: Person[]): string {
      const id = newId();
      const ids = people.map((person) => person.id);
      const access = { read: new Set(ids), write: new Set(ids), prescriptions: new Set<string>() };
      grants.set(id, { ...access, vouched: true, chart: [id] });
      return id;
    },
    /** From now on these are one chart, or each its own again. */
    mergeOf(survivor: string, merged: string, undone = false): void {
      for (const id of [survivor, merged]) {
        const patient = grants.get(id);
        if (patient) patient.chart = undone ? [id] : [survivor, merged];
      }
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
