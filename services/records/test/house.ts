import { type Actor, type CloudEvent, newId } from "@medvault/contracts";
import type { Digest } from "@medvault/crypto";
import type { Keyring } from "@medvault/keys";
import { createAppender } from "@medvault/messaging";
import { createLogger } from "@medvault/service-kit";
import {
  actor,
  createTestDatabase,
  drainedEvents,
  listening,
  signedIn,
  type TestAnswer,
  type TestClient,
  testAssertions,
  testKeyring,
} from "@medvault/testing";
import pg from "pg";
import { createRecordsApp } from "../src/app.ts";
import { type Context, openIndexes } from "../src/context.ts";

export interface House {
  context: Context;
  as(who: Actor): TestClient;
  doctor(): TestClient;
  admin(): TestClient;
  /** A patient's account. */
  account(): TestClient;
  /** What was announced since the last call. */
  events(): Promise<CloudEvent[]>;
  /** Every row of every table of the service, as text and in the encodings in which a leak could hide. */
  dump(): Promise<string>;
  /** To break what the service's role cannot. */
  superuser(statement: string): Promise<void>;
  close(): Promise<void>;
}

/** The records service over a database of its own, without a broker: events stay in the outbox. */
export async function openHouse(digest: Digest = "sha256", given?: Keyring): Promise<House> {
  const db = await createTestDatabase(["records"]);
  const pool = db.pool("records");
  const keyring = given ?? (await testKeyring("records"));
  const appender = createAppender(pool, "records");
  const context = { pool, keyring, appender, indexes: await openIndexes(pool, keyring), digest };
  const app = createRecordsApp({
    context,
    assertions: (await testAssertions()).verifier("records"),
    logger: createLogger({ service: "records", level: "silent" }),
    brokerState: () => "ok",
  });
  const { url, close } = await listening(app);
  const as = (who: Actor) => signedIn(url, who);
  return {
    context,
    as,
    doctor: () => as(actor("doctor")),
    admin: () => as(actor("admin")),
    account: () => as(actor("patient")),
    events: () => drainedEvents(pool),
    dump: () => dump(db.superuserUrl),
    superuser: (statement) =>
      asSuperuser(db.superuserUrl, async (client) => void (await client.query(statement))),
    async close() {
      await close();
      await appender.close();
      await db.drop();
    },
  };
}

async function asSuperuser<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function dump(url: string): Promise<string> {
  return asSuperuser(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('records', 'records_sys')`,
    );
    let text = "";
    for (const { name } of tables) {
      const { rows } = await client.query({ text: `select t::text from ${name} t`, rowMode: "array" });
      text += rows.map((row) => String(row[0])).join("\n");
    }
    return text;
  });
}

export const ADA = {
  givenName: "Ada",
  familyName: "Marsh-O'Neil",
  birthDate: "1971-02-03",
  sex: "female",
  nationalId: "S1234567D",
  phone: "555-014-7731",
  email: "ada.marsh@mail.example",
  address: "14 Lantern Row, Harrow Falls",
} as const;

export const ASPIRIN = {
  medication: "Acetylsalicylic acid 100 MG Oral Tablet",
  dosage: "One tablet",
  startDate: "2026-01-15",
  status: "active",
} as const;

export interface Known {
  id: string;
}

/** A patient of this doctor's. */
export async function givenPatient(doctor: TestClient, fields: object = {}): Promise<string> {
  const made = await doctor.post<Known>("/v1/patients", { ...ADA, ...fields });
  if (made.status !== 201) throw new Error(`no patient: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

export async function givenPrescription(
  doctor: TestClient,
  patientId: string,
  fields: object = {},
): Promise<string> {
  const made = await doctor.post<Known>("/v1/prescriptions", { patientId, ...ASPIRIN, ...fields });
  if (made.status !== 201) throw new Error(`no prescription: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

/** The answer but for what names the request itself: two such answers tell a caller the same. */
export function told(answer: TestAnswer): object {
  const { requestId: _requestId, instance: _instance, ...body } = answer.body as Record<string, unknown>;
  return { status: answer.status, body, etag: answer.headers.get("etag") };
}

export const nobody = (): string => newId();
