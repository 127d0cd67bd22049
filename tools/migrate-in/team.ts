import { type MedVaultClient, ProblemError } from "@medvault/client";
import type { FhirItem } from "./item.ts";
import type { WholeMap } from "./map.ts";
import type { Report } from "./report.ts";
import { identityOf } from "./resource.ts";
import { Refused } from "./row.ts";
import { reasonOf, stopOf } from "./send.ts";
import type { State } from "./state.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

interface Assignment {
  readonly item: FhirItem;
  readonly patientId: string;
  readonly userId: string;
  readonly identity: string;
}

/** Puts those who treated a patient in the source on the care team here. */
export class CareTeams {
  readonly #client: MedVaultClient;
  readonly #state: State;
  readonly #report: Report;
  readonly #map: WholeMap;
  #people: Promise<ReadonlyMap<string, string>> | null = null;
  #waiting: Promise<Assignment | null>[] = [];
  #unnamed = 0;

  constructor(parts: { client: MedVaultClient; state: State; report: Report; map: WholeMap }) {
    this.#client = parts.client;
    this.#state = parts.state;
    this.#report = parts.report;
    this.#map = parts.map;
  }

  get unnamed(): number {
    return this.#unnamed;
  }

  add(item: FhirItem, patientId: string): void {
    for (const person of item.careTeam) this.#waiting.push(this.#assignmentOf(item, patientId, person));
  }

  /** Who somebody of the source is here, or null. */
  async personOf(key: string): Promise<string | null> {
    const { people, source } = this.#map;
    const named = Object.hasOwn(people, key) ? (people[key] as string) : null;
    if (named === null) return this.#state.find(identityOf(source, "user", [key]))?.id ?? null;
    if (UUID.test(named)) return named;
    this.#people ??= this.#everyone();
    return (await this.#people).get(named.toLowerCase()) ?? null;
  }

  async end(): Promise<void> {
    const assignments = (await Promise.all(this.#waiting)).filter((one) => one !== null);
    this.#waiting = [];
    for (const one of assignments) await this.#assign(one);
  }

  async #assignmentOf(item: FhirItem, patientId: string, person: string): Promise<Assignment | null> {
    const userId = await this.personOf(person);
    if (userId === null) {
      this.#unnamed++;
      return null;
    }
    const identity = identityOf(this.#map.source, "patient", ["care team", patientId, userId]);
    return this.#state.find(identity) ? null : { item, patientId, userId, identity };
  }

  async #assign({ item, patientId, userId, identity }: Assignment): Promise<void> {
    try {
      await this.#client.call("PUT /v1/patients/{id}/care-team/{userId}", {
        path: { id: patientId, userId },
      });
      this.#state.put([{ identity, id: userId, patientId, contentHash: "" }]);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 404) throw stopOf(error);
      const { code } = reasonOf(error);
      this.#report.refuse(
        "patient",
        item.row,
        new Refused(code, "its doctor is no active account of staff here"),
      );
    }
  }

  /** Ids by user name. Throws UsageError's like for a name that nobody has. */
  async #everyone(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const users = this.#client.items("GET /v1/users", { query: { limit: 100 } });
    for await (const user of users) if ("username" in user) found.set(user.username.toLowerCase(), user.id);
    return found;
  }
}
