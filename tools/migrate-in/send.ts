// What is to be stored goes in through the gateway, as an operator who is signed in.
import { type FhirImportView, type MedVaultClient, NoAnswer, ProblemError } from "@medvault/client";
import { silenceOf } from "../lib/sign-in.ts";
import type { FhirItem } from "./item.ts";
import type { Fate, Report } from "./report.ts";
import { type FhirResource, fullUrlOf } from "./resource.ts";
import { Refused } from "./row.ts";
import type { State } from "./state.ts";

const MAX_ENTRIES = 500;
const MAX_BUNDLE_CHARS = 2 * 1024 * 1024;
const MAX_UNDER_WAY = 2;
/** The gateway is away, or takes nothing from us any more: what is stored stays so. */
class Interrupted extends Error {
  readonly kind: "unavailable" | "refused";

  constructor(message: string, kind: "unavailable" | "refused") {
    super(`${message} What is stored stays; run the same command again to go on.`);
    this.kind = kind;
  }
}

interface Entry {
  readonly item: FhirItem;
  readonly patientId: string | null;
  readonly contentHash: string;
}

/** One that was stored, or was there. */
export type OnStored = (item: FhirItem, patientId: string) => void;

/** Sends resources in bundles, two at a time. */
export class BundleSender {
  readonly #client: MedVaultClient;
  readonly #state: State;
  readonly #report: Report;
  readonly #onStored: OnStored;
  readonly #underWay = new Set<Promise<void>>();
  #batch: Entry[] = [];
  #chars = 0;
  #failure: unknown = null;

  constructor(client: MedVaultClient, state: State, report: Report, onStored: OnStored) {
    this.#client = client;
    this.#state = state;
    this.#report = report;
    this.#onStored = onStored;
  }

  /** @returns a promise only where what is under way must end first */
  add(item: FhirItem, patientId: string | null, contentHash: string, chars: number): Promise<void> | void {
    if (this.#failure) throw this.#failure;
    this.#batch.push({ item, patientId, contentHash });
    this.#chars += chars;
    if (this.#batch.length >= MAX_ENTRIES || this.#chars >= MAX_BUNDLE_CHARS) return this.#start();
  }

  /** Sends what is left, and waits for all of it. Throws Interrupted. */
  async end(): Promise<void> {
    if (this.#batch.length > 0) await this.#start();
    await Promise.all(this.#underWay);
    if (this.#failure) throw this.#failure;
  }

  async #start(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#chars = 0;
    const work = this.#send(batch)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
    if (this.#underWay.size >= MAX_UNDER_WAY) await Promise.race(this.#underWay);
    if (this.#failure) throw this.#failure;
  }

  /** A bundle that is refused as a whole is halved, until the row is found that it is refused for. */
  async #send(entries: readonly Entry[]): Promise<void> {
    let answer: FhirImportView;
    try {
      answer = await this.#post(entries);
    } catch (error) {
      if (!(error instanceof ProblemError) || (error.status !== 400 && error.status !== 413))
        throw stopOf(error);
      const [only] = entries;
      if (entries.length === 1 && only) return this.#refuse(only, reasonOf(error));
      const half = Math.ceil(entries.length / 2);
      await this.#send(entries.slice(0, half));
      return this.#send(entries.slice(half));
    }
    this.#note(entries, answer);
  }

  async #post(entries: readonly Entry[]): Promise<FhirImportView> {
    const entry = entries.map(({ item, patientId }) => ({
      fullUrl: fullUrlOf(item.resource, item.identity),
      resource: patientId === null ? item.resource : ofPatient(item.resource, patientId),
      request: { method: "POST", url: item.resource.resourceType },
    }));
    const body = { resourceType: "Bundle", type: "batch", entry } as const;
    return (await this.#client.call("POST /v1/fhir", { body })).data;
  }

  #note(entries: readonly Entry[], answer: FhirImportView): void {
    const stored = entries.flatMap((entry, at) => {
      const { response } = answer.entry[at] ?? {};
      const [type, id] = response?.location?.split("/") ?? [];
      const issue = response?.outcome.issue[0];
      const isKept = issue?.diagnostics.startsWith("Kept") || type === undefined || id === undefined;
      if (isKept || !/^2/.test(response?.status ?? "")) {
        this.#refuse(entry, new Refused("not_taken", issue?.diagnostics ?? "was not taken"));
        return [];
      }
      this.#report.count(entry.item.kind, fateOf(response?.status, issue?.diagnostics));
      return [{ ...entry, id }];
    });
    this.#state.put(
      stored.map(({ item, id, patientId, contentHash }) => ({
        ...{ identity: item.identity, id, contentHash },
        patientId: patientId ?? id,
      })),
    );
    for (const { item, id, patientId } of stored) this.#onStored(item, patientId ?? id);
  }

  #refuse({ item }: Entry, why: Refused): void {
    this.#report.refuse(item.kind, item.row, why);
  }
}

const fateOf = (status: string | undefined, said: string | undefined): Fate =>
  status?.startsWith("201") ? "stored" : said?.startsWith("Stored as a new version") ? "updated" : "known";

function ofPatient(resource: FhirResource, patientId: string): FhirResource {
  const reference = { reference: `Patient/${patientId}` };
  return { ...resource, ...("patient" in resource ? { patient: reference } : { subject: reference }) };
}

/** Of what the gateway refused for what a row says. Its messages hold no values. */
export function reasonOf(error: ProblemError): Refused {
  const [fault] = error.errors;
  const where = fault?.path.replace(/^entry\.\d+\.(resource\.)?/, "");
  return new Refused(
    error.code,
    fault ? `${where}: ${fault.message}` : `the gateway refused it (${error.status})`,
  );
}

/** What ends the run; throws on anything that is not the gateway's. */
export function stopOf(error: unknown): Error {
  if (error instanceof NoAnswer)
    return new Interrupted(`${silenceOf(error)}.`.replace("?.", "?"), "unavailable");
  if (!(error instanceof ProblemError)) return error as Error;
  const { status, code, requestId } = error;
  if (status === 401) return new Interrupted("the sign-in has ended: sign in again.", "refused");
  if (status === 403) return new Interrupted(`this account may not do that (${code}).`, "refused");
  const isAway = status === 429 || status >= 500;
  return new Interrupted(
    `the gateway answered ${status} ${code} (request ${requestId || "unknown"}).`,
    isAway ? "unavailable" : "refused",
  );
}
