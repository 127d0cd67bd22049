import { actor, type TestClient } from "@medvault/testing";
import { service } from "../../services/records/src/service.ts";
import { exampleBundles, hl7Examples } from "../../services/records/test/examples.ts";
import { type Records, startRecords } from "../../services/records/test/harness.ts";
import { Chance } from "./chance.ts";
import { readVocabulary, type Vocabulary } from "./vocabulary.ts";

const SEED = 12;
const PATIENTS = 100;
const PRESCRIPTIONS = 6;
const DIAGNOSES = 4;
const NEW_PATIENTS = 10;
const CHANGED_PRESCRIPTIONS = 100;
const NEW_PRESCRIPTIONS = 100;
/** As in a village: many of its people share a name with someone. */
const NAMES = 60;
const DOSES = [
  "One tablet daily",
  "1 tablet every 6 hours as needed",
  "Take one tablet with the evening meal",
  "Twice a day",
  "5 mL three times a day for 7 days",
  "Apply to the affected area at night",
  "500 mg every 8 hours",
];
const NOTES = [
  "With food; review in three months.",
  "Patient was told of side effects and called back in May.",
];

/** A records service with what a clinic has: imported charts, and charts written by hand. */
export class Clinic {
  readonly records: Records;
  readonly #doctor: TestClient;
  readonly #chance = new Chance(SEED);
  readonly #vocabulary: Vocabulary = readVocabulary();
  readonly #people: Vocabulary["people"];
  readonly #patients: string[] = [];
  readonly #prescriptions: { id: string; patientId: string }[] = [];

  private constructor(records: Records) {
    this.records = records;
    this.#doctor = records.as({ ...actor("doctor"), purpose: "TREAT" });
    this.#people = this.#chance.shuffled(this.#vocabulary.people).slice(0, NAMES);
  }

  static async open(): Promise<Clinic> {
    return new Clinic(await startRecords());
  }

  /** Years of work: what was imported, and what was written by hand. */
  async years(): Promise<void> {
    await this.#importAll();
    for (let n = 0; n < PATIENTS; n += 1) await this.#admit();
    await this.#runJobs();
  }

  /** One more day: some are new, some are written to, some prescriptions change. */
  async day(): Promise<void> {
    for (let n = 0; n < NEW_PATIENTS; n += 1) await this.#admit();
    for (let n = 0; n < NEW_PRESCRIPTIONS; n += 1) await this.#prescribe(this.#chance.of(this.#patients));
    for (let n = 0; n < CHANGED_PRESCRIPTIONS; n += 1) {
      const { id, patientId } = this.#chance.of(this.#prescriptions);
      await this.#send("put", `/v1/prescriptions/${id}`, this.#prescription(patientId), 200);
    }
    await this.#runJobs();
  }

  close(): Promise<void> {
    return this.records.close();
  }

  /** What is drawn by this clinic's doctors, and how often: what the thief knows. */
  get vocabulary(): Vocabulary {
    return this.#vocabulary;
  }

  async #importAll(): Promise<void> {
    const hl7 = hl7Examples().map((resource) => ({
      fullUrl: `http://hl7.org/fhir/${resource.resourceType}/${resource.id}`,
      resource,
    }));
    const bundles: object[] = exampleBundles().map(([, bundle]) => bundle);
    if (hl7.length > 0) bundles.push({ resourceType: "Bundle", type: "collection", entry: hl7 });
    for (const bundle of bundles) await this.#send("post", "/v1/fhir", bundle, 200);
  }

  async #admit(): Promise<void> {
    const n = this.#patients.length;
    const id = await this.#send("post", "/v1/patients", {
      ...this.#chance.of(this.#people),
      birthDate: `19${20 + (n % 80)}-0${1 + (n % 9)}-1${n % 10}`,
      sex: n % 2 === 0 ? "female" : "male",
      nationalId: `S${1_000_000 + n}D`,
      phone: `555-${String(n).padStart(4, "0")}`,
      email: `person-${n}@mail.example`,
      address: `${n} ${this.#chance.of(["Lantern Row", "Kemmer Neck", "Stamm Lock Unit"])}, Harrow Falls`,
    });
    this.#patients.push(id);
    for (let k = 0; k < PRESCRIPTIONS; k += 1) await this.#prescribe(id);
    for (let k = 0; k < DIAGNOSES; k += 1) {
      const title = this.#chance.of(this.#vocabulary.conditions);
      const body = `${title}, seen today. ${this.#chance.of(NOTES)}`;
      await this.#send("post", `/v1/patients/${id}/records`, { type: "diagnosis", title, body });
    }
    const treatment = this.#chance.of(["Consultation", "Consultation and a dressing", "Surgery"]);
    await this.#send("post", "/v1/claims", {
      ...{ patientId: id, providerId: this.#doctor.actor.id, treatment, amount: 8_500, currency: "EUR" },
      ...{ diagnosisCode: "J06.9", diagnosis: this.#chance.of(this.#vocabulary.conditions) },
    });
  }

  async #prescribe(patientId: string): Promise<void> {
    const id = await this.#send("post", "/v1/prescriptions", this.#prescription(patientId));
    this.#prescriptions.push({ id, patientId });
  }

  #prescription(patientId: string): object {
    const { medication, code } = this.#chance.of(this.#vocabulary.drugs);
    return {
      ...{ patientId, medication, dosage: this.#chance.of(DOSES), status: "active" },
      startDate: `2026-0${1 + Math.floor(this.#chance.next() * 9)}-15`,
      ...(this.#chance.next() < 0.5 ? { code } : {}),
      ...(this.#chance.next() < 0.25 ? { notes: this.#chance.of(NOTES) } : {}),
    };
  }

  async #send(method: "post" | "put", path: string, body: object, expected = 201): Promise<string> {
    const answer = await this.#doctor[method]<{ id: string }>(path, body);
    if (answer.status !== expected) throw new Error(`${path} was answered ${answer.status}`);
    return answer.body.id;
  }

  /** The service's jobs, once each: one of them writes the search documents. */
  async #runJobs(): Promise<void> {
    const { signal } = new AbortController();
    for (const { run } of service.jobs?.(this.records.context) ?? []) await run({ signal });
  }
}
