import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { FhirResource } from "../src/fhir/resource.ts";

const ROOT = new URL("../../../", import.meta.url);
const FIXTURES = new URL("e2e/fixtures/fhir/", ROOT);
const DROPPED = new URL("services/records/test/bundles/", ROOT);
/** What is there on some machines only. */
const SHARED = new URL("../shared/data/fhir/", ROOT);

export interface Bundle {
  resourceType: string;
  type: string;
  entry?: { fullUrl?: string; resource: FhirResource; request?: object }[];
  [field: string]: unknown;
}

/** Bundles of valid resources, by file: ours and, where they are, Synthea's. */
export const exampleBundles = (): [name: string, bundle: Bundle][] =>
  [FIXTURES, new URL("synthea_r4/", SHARED)].flatMap(bundlesIn);

/** Any bundle that somebody dropped into the folder for it. */
export const droppedBundles = (): [name: string, bundle: Bundle][] => bundlesIn(DROPPED);

function bundlesIn(folder: URL): [name: string, bundle: Bundle][] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /\.json(\.gz)?$/.test(name));
  return names.map((name) => {
    const bytes = readFileSync(new URL(encodeURIComponent(name), folder));
    return [name, JSON.parse((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8"))];
  });
}

/** HL7's own examples of single resources, where they are. */
export function hl7Examples(): FhirResource[] {
  const file = new URL("hl7_r4_examples.jsonl", SHARED);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

export const resourcesOf = ({ entry = [] }: Bundle): FhirResource[] => entry.map(({ resource }) => resource);
