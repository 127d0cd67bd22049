import { createHash } from "node:crypto";
import { type MedVaultClient, ProblemError } from "@medvault/client";
import { parentOf } from "./check.ts";
import { openFile } from "./enclosed.ts";
import type { Opener } from "./fernet.ts";
import type { AppointmentItem, FileItem, Item, UserItem } from "./item.ts";
import type { WholeMap } from "./map.ts";
import type { Report } from "./report.ts";
import { Refused } from "./row.ts";
import { BundleSender, reasonOf, stopOf } from "./send.ts";
import type { State } from "./state.ts";
import { CareTeams } from "./team.ts";

export interface ApplyParts {
  readonly client: MedVaultClient;
  readonly state: State;
  readonly report: Report;
  readonly map: WholeMap;
  readonly opener: Opener;
  readonly files: string | null;
}

/** Takes rows and stores them, each once. */
export class Applier {
  readonly #parts: ApplyParts;
  readonly #bundles: BundleSender;
  readonly #teams: CareTeams;

  private constructor(parts: ApplyParts, teams: CareTeams) {
    this.#parts = parts;
    this.#teams = teams;
    this.#bundles = new BundleSender(parts.client, parts.state, parts.report, (item, patientId) =>
      this.#teams.add(item, patientId),
    );
  }

  /** Throws UsageError for someone whom the map names and nobody here is. */
  static async open(parts: ApplyParts): Promise<Applier> {
    return new Applier(parts, await CareTeams.open(parts));
  }

  /** Charts whose doctors nobody is named for. */
  get unnamed(): number {
    return this.#teams.unnamed;
  }

  /** Throws Refused for one row, Interrupted for all that follow. */
  take(item: Item): Promise<void> | void {
    if (this.#teams.isFull) return this.#teams.end().then(() => this.take(item));
    const { state, report } = this.#parts;
    const { identity, kind } = item;
    const known = state.find(identity);
    const content = JSON.stringify("resource" in item ? item.resource : { ...item, row: undefined });
    const contentHash = state.hashOf(content);
    const isFhirItem = "resource" in item;
    if (known && (known.contentHash === contentHash || !isFhirItem)) {
      report.count(kind, "known");
      if (isFhirItem) this.#teams.add(item, known.patientId ?? known.id);
      return;
    }
    if (isFhirItem) {
      const patientId = kind === "patient" ? null : parentOf(state, item.patient, "patient").id;
      return this.#bundles.add(item, patientId, contentHash, content.length);
    }
    return this.#one(item, contentHash);
  }

  /** Nothing is under way then. */
  async endPass(): Promise<void> {
    await this.#bundles.end();
    await this.#teams.end();
  }

  async #one(item: Exclude<Item, { resource: unknown }>, contentHash: string): Promise<void> {
    const { state, report } = this.#parts;
    try {
      const { id, isNew } = await this.#store(item);
      state.put([{ identity: item.identity, id, patientId: null, contentHash }]);
      report.count(item.kind, isNew ? "stored" : "known");
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (error instanceof ProblemError && OF_ONE_ROW.has(error.status)) throw reasonOf(error);
      throw stopOf(error);
    }
  }

  #store(item: Exclude<Item, { resource: unknown }>) {
    if (item.kind === "user") return this.#invite(item);
    return item.kind === "file" ? this.#upload(item) : this.#book(item);
  }

  async #invite({ username, email, role, name }: UserItem): Promise<Stored> {
    const { client } = this.#parts;
    const body = { username, email, role: role as "doctor", ...(name && { name }) };
    try {
      return { id: (await client.call("POST /v1/users", { body })).data.id, isNew: true };
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 409) throw error;
      for await (const user of client.items("GET /v1/users", { query: { limit: 100 } }))
        if (
          "username" in user &&
          user.username === username &&
          user.email.toLowerCase() === email.toLowerCase()
        )
          return { id: user.id, isNew: false };
      throw new Refused("username_taken", 'the user name is someone else\'s: say who it is here in "people"');
    }
  }

  async #upload({ identity, parent, onPrescription, path, name }: FileItem): Promise<Stored> {
    const { client, state, opener, files } = this.#parts;
    const found = parentOf(state, parent, onPrescription ? "prescription" : "patient");
    const { bytes, sha256 } = await openFile(files, path, opener);
    const patientId = found.patientId ?? found.id;
    const attachTo = onPrescription ? { attachTo: `prescription/${found.id}` } : {};
    const query = onPrescription ? { attachedTo: `prescription/${found.id}` } : { patientId };
    for await (const one of client.items("GET /v1/files", { query: { ...query, limit: 100 } }))
      if ("sha256" in one && one.sha256 === sha256 && one.name === name) return { id: one.id, isNew: false };
    const body = { patientId, ...attachTo, files: [new File([new Uint8Array(bytes)], name)] };
    const headers = { "Idempotency-Key": keyOf(identity, sha256) };
    const { data, headers: told } = await client.call("POST /v1/files", { body, headers });
    return { id: data.items[0]?.id ?? "", isNew: !isReplayed(told) };
  }

  async #book({ identity, patient, doctor, startsAt, endsAt, reason }: AppointmentItem): Promise<Stored> {
    const { client, state, map } = this.#parts;
    const patientId = parentOf(state, patient, "patient").id;
    const doctorId = this.#teams.personOf(doctor);
    if (!doctorId)
      throw new Refused("no_doctor", 'nobody is named for its doctor: say who it is here in "people"');
    const body = { patientId, doctorId, startsAt, endsAt, ...(reason && { reason }) };
    const headers = { "Idempotency-Key": keyOf(identity, map.source) };
    try {
      const { data, headers: told } = await client.call("POST /v1/appointments", { body, headers });
      return { id: data.id, isNew: !isReplayed(told) };
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== "slot_taken") throw error;
      const query = { doctorId, from: startsAt, to: endsAt, limit: 100 };
      for await (const one of client.items("GET /v1/appointments", { query }))
        if ("startsAt" in one && one.patientId === patientId && one.startsAt === startsAt)
          return { id: one.id, isNew: false };
      throw new Refused("slot_taken", "its doctor has another appointment then");
    }
  }
}

/** The answer of an earlier run. */
const isReplayed = (headers: Headers): boolean => headers.get("idempotency-replayed") === "true";

type Stored = { id: string; isNew: boolean };
/** Of these one row is refused; of others, all that follow. */
const OF_ONE_ROW: ReadonlySet<number> = new Set([400, 404, 409, 413, 415, 422]);

const keyOf = (...parts: string[]): string => createHash("sha256").update(parts.join(" ")).digest("hex");
