// Requests of people at work, one after the other in each of several works, without a second try.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type DataOf, MedVaultClient, NoAnswer, ProblemError } from "@medvault/client";
import { Agent, fetch as fetchBy } from "undici";
import { logIn } from "../../tools/lib/sign-in.ts";
import { Trouble } from "../lib/words.mjs";
import type { DemoUser } from "../run/ops.ts";

/** Between two requests of one work. */
const PAUSE_MS = 150;
const KEPT_REASONS = 5;
/** Of so many requests one comes over a connection of its own, as those of new clients do. */
const NEWCOMERS = 3;

export interface Tally {
  done: number;
  failed: number;
  /** The first few, each with the phase in which it happened. */
  readonly reasons: string[];
}

/** What was answered 201, and must be found again. */
export interface Written {
  readonly prescriptions: Map<string, string>;
  /** SHA-256 by the id of the file. */
  readonly files: Map<string, string>;
}

export class Traffic {
  readonly written: Written = { prescriptions: new Map(), files: new Map() };
  readonly tallies = new Map<string, Tally>();
  phase = "";
  readonly #gateway: string;
  readonly #users: readonly DemoUser[];
  readonly #data: string;
  readonly #ended = new AbortController();
  /** Without pipelining a connection is closed after its one request. */
  readonly #onceOnly = new Agent({ pipelining: 0 });
  #sent = 0;
  #running: Promise<unknown> = Promise.resolve();
  #doctor: MedVaultClient | null = null;
  #auditor: MedVaultClient | null = null;

  /** @param data where used codes of second factors are noted */
  constructor(gateway: string, users: readonly DemoUser[], data: string) {
    this.#gateway = gateway;
    this.#users = users;
    this.#data = data;
  }

  async begin(): Promise<void> {
    const [doctor, auditor, admin] = await Promise.all(
      ["doctor", "auditor", "admin"].map((role) => this.#signIn(role)),
    );
    if (!doctor || !auditor || !admin) throw new Error("the demo lacks somebody");
    this.#doctor = doctor;
    this.#auditor = auditor;
    const [patient] = (await this.doctor.call("GET /v1/patients", { query: { limit: 1 } })).data.items;
    const patientId = patient?.id ?? "";
    const works: Record<string, () => Promise<unknown>> = {
      create: () => this.#create(patientId),
      read: () => this.#readOne(),
      list: () => this.doctor.call("GET /v1/prescriptions", { query: { limit: 20 } }),
      search: () => this.doctor.call("POST /v1/prescriptions/search", { body: { q: "rehearsal" } }),
      "FHIR search": () =>
        this.doctor.call("GET /v1/fhir/{type}", { path: { type: "Patient" }, query: { _count: 5 } } as never),
      "upload and download": () => this.#upload(patientId),
      "sign-in and sign-out": () => this.#visit(),
      "audit events": () => this.auditor.call("GET /v1/audit/events", { query: { limit: 10 } }),
      backups: () => admin.call("GET /v1/backups"),
    };
    this.#running = Promise.all(Object.entries(works).map(([name, work]) => this.#repeat(name, work)));
  }

  get doctor(): MedVaultClient {
    if (!this.#doctor) throw new Error("the traffic has not begun");
    return this.#doctor;
  }

  get auditor(): MedVaultClient {
    if (!this.#auditor) throw new Error("the traffic has not begun");
    return this.#auditor;
  }

  /** Until each work was done so often again. */
  async more(times: number): Promise<void> {
    const before = new Map([...this.tallies].map(([name, { done }]) => [name, done]));
    const isDone = () =>
      [...this.tallies].every(([name, { done }]) => done >= (before.get(name) ?? 0) + times);
    while (!isDone()) await sleep(PAUSE_MS);
  }

  /** What went wrong so far. */
  get reasons(): string[] {
    return [...this.tallies].flatMap(([name, { reasons }]) => reasons.map((reason) => `${name}: ${reason}`));
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  /** Reads all that was written; gives what is not as it was. */
  async lost(): Promise<string[]> {
    const lost: string[] = [];
    for (const [id, dosage] of this.written.prescriptions) {
      const path = { id };
      const found = await this.doctor
        .call("GET /v1/prescriptions/{id}", { path })
        .catch((error: Error) => error);
      if (!("data" in found) || found.data.dosage !== dosage) lost.push(`prescription ${id}`);
    }
    for (const [id, sum] of this.written.files)
      if ((await this.#download(id).catch(() => "")) !== sum) lost.push(`file ${id}`);
    return lost;
  }

  async #signIn(role: string, client = this.#client()): Promise<MedVaultClient> {
    const user = this.#users.find((one) => one.role === role);
    if (!user)
      throw new Trouble(`The demo has no ${role}: it was not made to its end (log/demo.log says why).`);
    await logIn(client, { ...user, dataDir: this.#data });
    return client;
  }

  #client(): MedVaultClient {
    const userAgent = "rehearsal"; // a session is bound to it, and each fetch has a name of its own
    const patience = { attempts: 1 };
    return new MedVaultClient({ baseUrl: this.#gateway, patience, userAgent, fetch: this.#fetch });
  }

  /** undici's own fetch knows no FormData of the runtime's: uploads keep their connections. */
  readonly #fetch = ((url: string, init: RequestInit) => {
    this.#sent += 1;
    if (this.#sent % NEWCOMERS !== 0 || init.body instanceof FormData) return fetch(url, init);
    const headers = [...(init.headers as Headers)];
    return fetchBy(url, { ...init, headers, dispatcher: this.#onceOnly } as object);
  }) as typeof fetch;

  async #repeat(name: string, work: () => Promise<unknown>): Promise<void> {
    const tally: Tally = { done: 0, failed: 0, reasons: [] };
    this.tallies.set(name, tally);
    while (!this.#ended.signal.aborted) {
      await work().catch((error: unknown) => {
        tally.failed += 1;
        if (tally.reasons.length < KEPT_REASONS) tally.reasons.push(`${this.phase}: ${nameOf(error)}`);
      });
      tally.done += 1;
      await sleep(PAUSE_MS);
    }
  }

  async #create(patientId: string): Promise<void> {
    const dosage = `Rehearsal ${randomBytes(8).toString("hex")}`;
    const body = { patientId, medication: "Clopidogrel 75 MG Oral Tablet", dosage };
    const start = { startDate: "2026-01-15", status: "active" } as const;
    const { data } = await this.doctor.call("POST /v1/prescriptions", { body: { ...body, ...start } });
    this.written.prescriptions.set(data.id, dosage);
  }

  async #readOne(): Promise<void> {
    const ids = [...this.written.prescriptions.keys()];
    const id = ids[Math.floor(Math.random() * ids.length)];
    if (id) await this.doctor.call("GET /v1/prescriptions/{id}", { path: { id } });
  }

  async #upload(patientId: string): Promise<void> {
    const bytes = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(150_000)]);
    const file = new File([bytes], "rehearsal.pdf", { type: "application/pdf" });
    const { data } = await this.doctor.call("POST /v1/files", { body: { patientId, files: [file] } });
    const id = (data as DataOf<"POST /v1/files">).items[0]?.id ?? "";
    const sum = createHash("sha256").update(bytes).digest("hex");
    this.written.files.set(id, sum);
    if ((await this.#download(id)) !== sum) throw new Error("a file came back otherwise than it was sent");
  }

  async #download(id: string): Promise<string> {
    const { data } = await this.doctor.call("GET /v1/files/{id}/content", { path: { id } });
    const hash = createHash("sha256");
    for await (const part of data) hash.update(part);
    return hash.digest("hex");
  }

  async #visit(): Promise<void> {
    const client = await this.#signIn("patient");
    await client.call("GET /v1/patients", { query: { limit: 1 } });
    await client.call("POST /v1/auth/logout");
  }
}

function nameOf(error: unknown): string {
  if (error instanceof ProblemError) return `${error.status} ${error.code} (${error.requestId})`;
  if (error instanceof NoAnswer) return `no answer (${String((error.cause as Error)?.cause ?? error.cause)})`;
  return String(error);
}
