import { type MedVaultClient, ProblemError } from "@medvault/client";
import { UsageError } from "../lib/command.ts";
import type { FhirItem } from "./item.ts";
import type { WholeMap } from "./map.ts";
import type { Report } from "./report.ts";
import { identityOf } from "./resource.ts";
import { Refused, type SourceRow } from "./row.ts";
import { stopOf } from "./send.ts";
import type { State } from "./state.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const MAX_PATIENTS = 500;
/** So many rows wait for their care team to be told. */
const MAX_WAITING = 2_000;

interface Assignment {
  readonly row: SourceRow;
  readonly patientId: string;
  readonly identity: string;
}

interface Parts {
  readonly client: MedVaultClient;
  readonly state: State;
  readonly report: Report;
  readonly map: WholeMap;
}

/** Puts those who treated a patient in the source on the care team here. */
export class CareTeams {
  readonly #parts: Parts;
  /** Ids by user name, for those whom the map names. */
  readonly #people: ReadonlyMap<string, string>;
  readonly #waiting = new Map<string, Assignment[]>();
  #count = 0;
  #unnamed = 0;

  private constructor(parts: Parts, people: ReadonlyMap<string, string>) {
    this.#parts = parts;
    this.#people = people;
  }

  /** Throws UsageError for a user name that nobody here has. */
  static async open(parts: Parts): Promise<CareTeams> {
    const names = Object.values(parts.map.people).filter((name) => !UUID.test(name));
    const people = new Map<string, string>();
    if (names.length > 0)
      for await (const user of parts.client.items("GET /v1/users", { query: { limit: 100 } }))
        if ("username" in user) people.set(user.username.toLowerCase(), user.id);
    const nobody = names.find((name) => !people.has(name.toLowerCase()));
    if (nobody !== undefined)
      throw new UsageError(`"people" of the map names ${nobody}, but no user here is called so.`);
    return new CareTeams(parts, people);
  }

  /** Charts whose doctors nobody is named for. */
  get unnamed(): number {
    return this.#unnamed;
  }

  /** Time to call end, before more is added. */
  get isFull(): boolean {
    return this.#count >= MAX_WAITING;
  }

  add({ careTeam, row }: FhirItem, patientId: string): void {
    const { state, map } = this.#parts;
    for (const person of careTeam) {
      const userId = this.personOf(person);
      if (userId === null) {
        this.#unnamed++;
        continue;
      }
      const identity = identityOf(map.source, "patient", ["care team", patientId, userId]);
      if (state.find(identity)) continue;
      const those = this.#waiting.get(userId) ?? [];
      those.push({ row, patientId, identity });
      this.#waiting.set(userId, those);
      this.#count++;
    }
  }

  /** Who somebody of the source is here, or null. */
  personOf(key: string): string | null {
    const { map, state } = this.#parts;
    const named = Object.hasOwn(map.people, key) ? (map.people[key] as string) : null;
    if (named === null) return state.find(identityOf(map.source, "user", [key]))?.id ?? null;
    return UUID.test(named) ? named : (this.#people.get(named.toLowerCase()) ?? null);
  }

  /** Throws Interrupted. */
  async end(): Promise<void> {
    for (const [userId, those] of this.#waiting)
      for (let at = 0; at < those.length; at += MAX_PATIENTS)
        await this.#assign(userId, those.slice(at, at + MAX_PATIENTS));
    this.#waiting.clear();
    this.#count = 0;
  }

  async #assign(userId: string, those: readonly Assignment[]): Promise<void> {
    const { client, state, report } = this.#parts;
    try {
      const body = { userId, patientIds: those.map(({ patientId }) => patientId) };
      await client.call("POST /v1/care-team", { body });
      state.put(
        those.map(({ identity, patientId }) => ({ identity, id: userId, patientId, contentHash: "" })),
      );
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 404) throw stopOf(error);
      const why = new Refused("no_doctor", "is stored, but its doctor is no active account of staff here");
      for (const { row } of those) report.refuse("patient", row, why);
    }
  }
}
