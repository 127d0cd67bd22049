import {
  type FieldFault,
  Id,
  InvalidInput,
  SENSITIVE_FIELDS,
  type SensitiveField,
} from "@medvault/contracts";
import { type Criterion, criterionOf } from "./criterion.ts";
import { isPersonal, isTakenOut, parametersOf, type SearchParameter } from "./search-parameter.ts";

/** Names with their values, each as often as it was sent. */
export type SearchPairs = readonly (readonly [name: string, value: string])[];

/** A search that was understood. */
export interface SearchQuery {
  type: string;
  /** These rows alone; null: any. */
  ids: string[] | null;
  /** As it was asked for, if it was: an id, or what cannot be one. */
  patient: string | null;
  criteria: Criterion[];
  count: number;
  includesPatient: boolean;
  unmask: SensitiveField[];
  cursor: string | undefined;
  /** What was understood, as it was sent: what links repeat, and what no link may spell. */
  open: SearchPairs;
  sealed: SearchPairs;
  /** What of that identifies a person. */
  personal: SearchPairs;
  /** Names of what was sent and did nothing. */
  ignored: readonly string[];
}

const DEFAULT_COUNT = 50;
const MAX_COUNT = 1_000;
const MAX_IDS = 100;
const MAX_PAIRS = 50;
const MAX_VALUES = 50;
const MAX_CHARS = 200;
/** The gateway takes 8 KiB; what is sealed is twice as long. */
const MAX_LINK_CHARS = 7_500;
/** What is not about what to find. */
const CONTROL = new Set(["_count", "_cursor", "_include", "_format", "_pretty", "unmask"]);
/** How to show what was found, which is not done: leaving it out finds neither more nor less. */
const RESULT = new Set([
  ...["_sort", "_summary", "_elements", "_total", "_revinclude"],
  ...["_contained", "_containedType", "_score", "_maxresults"],
]);
const REFERENCE = /^(?:\S*\/)?Patient\/([^/]+)$/;

/**
 * What a search sent, and where. `handling`: whether what is not known is refused; where the client
 * does not say, only that is without which more would be found.
 */
export interface Sent {
  inUrl: SearchPairs;
  /** Null where there is none: it came by GET. */
  inBody: SearchPairs | null;
  handling: "strict" | "lenient" | null;
}

/**
 * Reads a search's parameters. A filter that is not known, or that the operator's policy takes out,
 * is a fault unless the client is lenient, a chain or a modifier always: without it more would be
 * found. Throws InvalidInput, which names every fault; also for what identifies a person and stands
 * in the URL.
 */
export function searchQueryOf(type: string, { inUrl, inBody, handling }: Sent): SearchQuery {
  const faults: FieldFault[] = [];
  const fault = (path: string, message: string) => void faults.push({ path, message });
  const known = new Map(parametersOf(type).map((parameter) => [parameter.name, parameter]));
  const query: SearchQuery = {
    ...{ type, ids: null, patient: null, criteria: [], count: DEFAULT_COUNT, includesPatient: false },
    ...{ unmask: [], cursor: undefined, open: [], sealed: [], personal: [], ignored: [] },
  };
  const open: [string, string][] = [];
  const sealed: [string, string][] = [];
  const ignored = new Set<string>();
  const pairs = [
    ...inUrl.map(([name, value]) => ({ name, value, isInUrl: true })),
    ...(inBody ?? []).map(([name, value]) => ({ name, value, isInUrl: false })),
  ];
  if (pairs.length > MAX_PAIRS) fault("", `has more than ${MAX_PAIRS} parameters`);
  for (const { name, value, isInUrl } of pairs.slice(0, MAX_PAIRS)) {
    if (isPersonal(name) && isInUrl) {
      fault(name.slice(0, 64), `may identify a person: send it in the body of POST /v1/fhir/${type}/_search`);
      continue;
    }
    const parameter = known.get(name);
    if (CONTROL.has(name)) control(query, name, value, fault);
    else if (parameter) condition(query, parameter, value, fault);
    else if (/[.:]/.test(name)) fault(name.slice(0, 64), "chains and modifiers are not supported");
    else if (handling === "strict" || (handling === null && !RESULT.has(name)))
      fault(name.slice(0, 64), `${notKnown(type, name)}, which takes ${[...known.keys()].join(", ")}`);
    else ignored.add(name.slice(0, 64));
    if (parameter || (CONTROL.has(name) && name !== "_cursor")) {
      const isSealed = parameter?.isPersonal || (parameter?.isMedical && !isInUrl);
      (isSealed ? sealed : open).push([name, value]);
    }
  }
  const sealedBytes = sealed.length > 0 ? Buffer.byteLength(JSON.stringify(sealed)) : 0;
  if (sealedBytes > 0 && String(new URLSearchParams(open)).length + 2 * sealedBytes > MAX_LINK_CHARS)
    fault("", "is too long for a link to its next page: ask for fewer values at a time");
  if (faults.length > 0) throw new InvalidInput(undefined, faults);
  const personal = sealed.filter(([name]) => isPersonal(name));
  return { ...query, open, sealed, personal, ignored: [...ignored] };
}

const notKnown = (type: string, name: string): string =>
  isTakenOut(type, name)
    ? `is not searched by here: this deployment's policy (MEDVAULT_POLICY_FILE) takes it out of ${type}`
    : `is not known for ${type}`;

type Fault = (path: string, message: string) => void;

function control(query: SearchQuery, name: string, value: string, fault: Fault): void {
  if (name === "_count") {
    if (/^[0-9]{1,9}$/.test(value) && Number(value) > 0) query.count = Math.min(Number(value), MAX_COUNT);
    else fault(name, "must be a whole number from 1");
  } else if (name === "_cursor") query.cursor = value;
  else if (name === "_include") {
    const reference = value.split(":")[1] ?? "";
    if (query.type !== "Patient" && [`${query.type}:patient`, `${query.type}:subject`].includes(value))
      query.includesPatient = parametersOf(query.type).some((one) => one.name === reference);
    if (!query.includesPatient) fault(name, `can be ${query.type}:patient alone`);
  } else if (name === "unmask") {
    const fields = value.split(",") as SensitiveField[];
    if (fields.every((field) => SENSITIVE_FIELDS.includes(field))) query.unmask = [...new Set(fields)];
    else fault(name, `must be of ${SENSITIVE_FIELDS.join(", ")}`);
  }
}

function condition(query: SearchQuery, parameter: SearchParameter, value: string, fault: Fault): void {
  const { name, type } = parameter;
  if (value === "") return;
  if (name === "_id") {
    const ids = value.split(",").flatMap((one) => Id.safeParse(one).data ?? []);
    query.ids = query.ids === null ? ids : query.ids.filter((id) => ids.includes(id));
    if (ids.length > MAX_IDS) fault(name, `may name ${MAX_IDS} at most`);
  } else if (type === "reference") {
    const id = (REFERENCE.exec(value)?.[1] ?? value).toLowerCase();
    if (query.patient !== null && query.patient !== id) fault(name, "names a second patient");
    query.patient = id;
  } else {
    const values = value.split(",").filter((one) => one !== "");
    const tooLong = values.length > MAX_VALUES || values.some((one) => one.length > MAX_CHARS);
    const criterion = tooLong ? null : criterionOf(parameter, values);
    if (criterion) query.criteria.push(criterion);
    else fault(name, tooLong ? "is too long" : "is not a FHIR date, with or without a prefix");
  }
}
