import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { FhirResource } from "../src/fhir/resource.ts";

const ROOT = new URL("../../../", import.meta.url);
/** Ours: here, and any bundle that somebody drops into the second. */
const OWN = [new URL("e2e/fixtures/fhir/", ROOT), new URL("services/records/test/bundles/", ROOT)];
/** What is there on some machines only. */
const SHARED = new URL("../shared/data/fhir/", ROOT);

export interface Bundle {
  resourceType: string;
  type: string;
  entry?: { fullUrl?: string; resource: FhirResource; request?: object }[];
  [field: string]: unknown;
}

/** Every bundle in our folders and, where they are, of Synthea: by its file's name. */
export function exampleBundles(): [name: string, bundle: Bundle][] {
  return [...OWN, new URL("synthea_r4/", SHARED)].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.json(\.gz)?$/.test(name))
      .map((name): [string, Bundle] => {
        const bytes = readFileSync(new URL(encodeURIComponent(name), folder));
        const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
        return [name, JSON.parse(text)];
      }),
  );
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
