// Reads and writes of a clinic at a steady rate, by clients that repeat nothing.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../e2e/support/client.ts";
import { type Person, text } from "../../e2e/support/people.ts";
import { Clinic, must } from "./replicas.ts";
import type { World } from "./world.ts";

const PER_SECOND = 50;
const DOCTORS = 10;
const CREATED = "medvault.records.prescription.created.v1";

interface Doctor {
  readonly client: Client;
  patientId: string;
  prescriptionId: string;
}
export interface Loaded {
  readonly sent: number;
  readonly failed: readonly string[];
  readonly writes: readonly { path: string; requestId: string }[];
  readonly slowestMs: number;
  readonly p99Ms: number;
}

/** Until stopped: 50 requests a second, whatever became of those before. */
export class Load {
  readonly #clinic: Clinic;
  #doctors: Doctor[] = [];
  #auditor!: Client;
  readonly #writes: { path: string; requestId: string; as: Client }[] = [];
  readonly #failed: string[] = [];
  readonly #tookMs: number[] = [];
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #begun = new Date();

  constructor(clinic: Clinic) {
    this.#clinic = clinic;
  }

  async prepare(): Promise<void> {
    this.#auditor = (await this.#clinic.invite("auditor")).client;
    for (let at = 0; at < DOCTORS; at++)
      this.#doctors.push(await doctorWithPatient(await this.#clinic.invite("doctor")));
  }

  start(): void {
    this.#begun = new Date();
    const begun = performance.now();
    const fire = () => {
      const due = Math.floor(((performance.now() - begun) / 1000) * PER_SECOND);
      while (this.#sent < due) this.#send(this.#sent++);
    };
    this.#timer = setInterval(fire, 10);
  }

  get sent(): number {
    return this.#sent;
  }

  async stop(): Promise<Loaded> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    return {
      ...{ sent: this.#sent, failed: this.#failed, writes: this.#writes },
      slowestMs: sorted.at(-1) ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
  }

  /** What was answered 2xx is there, and each has its one event in the log. */
  async isAllThere(): Promise<string> {
    for (const { path, as, requestId } of this.#writes) {
      const { status } = await as.get(path);
      must(status === 200, `${path} was answered 201 (request ${requestId}), and is now ${status}`);
    }
    const times = new Map(this.#writes.map(({ requestId }) => [requestId, 0]));
    const missing = () => [...times].filter(([, count]) => count === 0).map(([id]) => id);
    for (const end = Date.now() + 60_000; missing().length > 0 && Date.now() < end; await sleep(5_000)) {
      for (const id of times.keys()) times.set(id, 0);
      const query = { type: CREATED, from: this.#begun.toISOString(), limit: 100 };
      for await (const { requestId } of this.#auditor.api.items("GET /v1/audit/events", { query })) {
        const before = times.get(String(requestId));
        if (before !== undefined) times.set(String(requestId), before + 1);
      }
    }
    const twice = [...times].filter(([, count]) => count > 1).map(([id]) => id);
    must(
      missing().length === 0,
      `${missing().length} writes are not in the log: ${missing().slice(0, 5).join()}`,
    );
    must(twice.length === 0, `${twice.length} writes are in the log twice: ${twice.slice(0, 5).join()}`);
    return `${this.#writes.length} writes that were answered 201 can all be read, and each has one event in the log`;
  }

  #send(at: number): void {
    const doctor = this.#doctors[at % DOCTORS] as Doctor;
    const since = performance.now();
    const work = this.#request(doctor, Math.floor(at / DOCTORS))
      .catch((error: Error) => {
        const { cause } = error as { cause?: { code?: string; message?: string } };
        this.#failed.push(
          `${new Date().toISOString()} ${error.message} ${cause?.code ?? ""} ${cause?.message ?? ""}`.trim(),
        );
      })
      .finally(() => {
        this.#tookMs.push(performance.now() - since);
        this.#running.delete(work);
      });
    this.#running.add(work);
  }

  async #request(doctor: Doctor, turn: number): Promise<void> {
    const { client, patientId, prescriptionId } = doctor;
    const read = async (path: string, as = client) => expect(await as.get(path), 200, `GET ${path}`);
    switch (turn % 10) {
      case 0:
        return void (await read(`/v1/patients/${patientId}`));
      case 1:
      case 6: {
        const body = prescription(patientId);
        const made = await client.post("/v1/prescriptions", body, { "idempotency-key": randomUUID() });
        expect(made, 201, "POST /v1/prescriptions");
        const path = `/v1/prescriptions/${text(made.body, "id")}`;
        return void this.#writes.push({ path, requestId: made.requestId, as: client });
      }
      case 2:
        return void (await read(`/v1/prescriptions?patientId=${patientId}`));
      case 3:
        return void expect(
          await client.post("/v1/prescriptions/search", { q: "opidog" }),
          200,
          "POST /v1/prescriptions/search",
        );
      case 4:
        return void (await read("/v1/auth/me"));
      case 5:
        return void (await read(`/v1/files?patientId=${patientId}`));
      case 7:
        return void (await read(`/v1/prescriptions/${prescriptionId}`));
      case 8:
        return void (await read("/v1/audit/events?limit=10", this.#auditor));
      default:
        return void (await read("/v1/backups", this.#clinic.admin));
    }
  }
}

function expect(answer: { status: number; body: unknown }, status: number, what: string): void {
  if (answer.status !== status) throw new Error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

const prescription = (patientId: string) => ({
  ...{ patientId, medication: "Clopidogrel 75 MG Oral Tablet", dosage: "1 tablet" },
  ...{ startDate: "2026-11-01", status: "active" },
});

async function doctorWithPatient({ client }: Person): Promise<Doctor> {
  const key = () => ({ "idempotency-key": randomUUID() });
  const born = { givenName: "Ida", familyName: "Steady", birthDate: "1970-01-02", sex: "female" };
  const patientId = text((await client.post("/v1/patients", born, key())).body, "id");
  const made = await client.post("/v1/prescriptions", prescription(patientId), key());
  return { client, patientId, prescriptionId: text(made.body, "id") };
}

/** Runs `work` under the load, and demands that nothing failed meanwhile. */
export async function underLoad(
  world: World,
  opsFile: string,
  work: () => Promise<unknown>,
): Promise<string[]> {
  const clinic = await new Clinic(world, opsFile).open();
  try {
    const load = new Load(clinic);
    await load.prepare();
    load.start();
    await sleep(5_000);
    let trouble: Error | null = null;
    await work().catch((error: Error) => {
      trouble = error;
    });
    await sleep(5_000);
    const { sent, failed, p99Ms, slowestMs } = await load.stop();
    if (trouble) throw trouble;
    must(
      failed.length === 0,
      `${failed.length} of ${sent} requests failed:\n  ${failed.slice(0, 20).join("\n  ")}\n `,
    );
    return [
      `${sent} requests, ${PER_SECOND} a second, none failed (99 of 100 within ${p99Ms.toFixed()} ms, the slowest ${slowestMs.toFixed()} ms)`,
      await load.isAllThere(),
    ];
  } finally {
    clinic.close();
  }
}
