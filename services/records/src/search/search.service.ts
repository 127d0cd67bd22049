import { setImmediate as turn } from "node:timers/promises";
import type { Actor, ResourceAction } from "@medvault/contracts";
import type { Hit, PatientSearch, Place, RowSearch, SearchIndex } from "@medvault/search";
import type { Chart } from "../access/access.store.ts";
import { reachOf } from "../access/reach.ts";
import { LiveIndex, MAX_WAIT_MS } from "./live-index.service.ts";
import { bytesOf, reachedIds } from "./search-reach.store.ts";
import type { IndexPlace } from "./searched-row.store.ts";
import { waitingFor } from "./waiting.ts";

type Asked<S> = Omit<S, "among" | "after" | "limit">;

/**
 * Searches in memory, of what committed before the call, through whichever process. Hits are ids
 * alone, of whom the actor reached when the call began: their rows are to be read by a statement
 * that asks again who reaches them, opened, and checked once more. Never in a transaction: a
 * reading needs a connection of its own. All throw Forbidden, SearchLoading, SearchMemoryFull,
 * DatabaseUnavailable.
 */
export interface Search {
  /** Prescriptions, of one chart (which the actor reaches) or of all in reach. */
  rows(
    actor: Actor,
    permission: ResourceAction,
    asked: Asked<RowSearch> & { readonly chart: Chart | null },
    after: Place | null,
    limit: number,
  ): Promise<Hit[]>;
  /** `only`: of these, whose reach was asked already. */
  patients(
    actor: Actor,
    permission: ResourceAction,
    asked: Asked<PatientSearch>,
    after: Place | null,
    limit: number,
  ): Promise<Hit[]>;
  /** As patients, for each of several searches the first `limit`; one reading serves all. */
  patientsOfEach(
    actor: Actor,
    permission: ResourceAction,
    asked: readonly Asked<PatientSearch>[],
    limit: number,
  ): Promise<Hit[][]>;
  readonly index: LiveIndex;
  stop(): Promise<void>;
}

const MIB = 1024 * 1024;

/** Nothing is loaded yet: what a search needs is loaded for it, and the rest by the job. */
export function openSearch(place: IndexPlace, memoryMib: number): Search {
  const index = new LiveIndex(place, memoryMib * MIB);

  /** `ids`: of these alone, whose reach was asked already. */
  async function found<T>(
    actor: Actor,
    permission: ResourceAction,
    ids: readonly string[] | null,
    search: (index: SearchIndex, among: RowSearch["among"]) => T | Promise<T>,
  ): Promise<T> {
    const until = waitingFor(MAX_WAIT_MS);
    const reach = reachOf(actor, permission);
    const isEveryone = ids === null && reach.scope === "any";
    const reached = ids || isEveryone ? null : reachedIds(place.db, reach);
    const [inReach] = await Promise.all([reached, index.fresh(until)]);
    if (isEveryone) return index.amongAll((whole) => search(whole, null), until);
    return index.among(inReach ?? bytesOf(ids ?? []), search, until);
  }

  return {
    index,
    rows: (actor, permission, { chart, ...asked }, after, limit) =>
      found(actor, permission, chart, (rows, among) => rows.searchRows({ ...asked, among, after, limit })),
    patients: (actor, permission, asked, after, limit) =>
      found(actor, permission, asked.only ?? null, (patients, among) =>
        patients.searchPatients({ ...asked, among, after, limit }),
      ),
    patientsOfEach: (actor, permission, asked, limit) =>
      found(actor, permission, null, async (patients, among) => {
        const all: Hit[][] = [];
        for (const one of asked) {
          if (all.length > 0) await turn();
          all.push(patients.searchPatients({ ...one, among, after: null, limit }));
        }
        return all;
      }),
    stop: () => index.stop(),
  };
}
