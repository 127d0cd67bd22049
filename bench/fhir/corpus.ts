import { canonicalJson } from "@medvault/crypto";
import type { FhirResource } from "../../services/records/src/fhir/resource.ts";
import { findingsOf } from "../../services/records/src/fhir/valid.ts";
import {
  type Bundle,
  droppedBundles,
  exampleBundles,
  hl7Examples,
} from "../../services/records/test/examples.ts";
import { secondOpinion } from "../../services/records/test/r4-validator.ts";
import type { Finding } from "../rounds.ts";
import type { Chart, Fhir } from "./charts.ts";

/**
 * Every bundle there is, ours, Synthea's and HL7's examples: how many load whole, how much comes
 * back as it came, and how much of what leaves, masked and not, is valid to two validators.
 */
export async function corpora(fhir: Fhir): Promise<Finding[]> {
  const hl7 = hl7Examples().map((resource) => ({
    fullUrl: `http://hl7.org/fhir/${resource.resourceType}/${resource.id}`,
    resource,
  }));
  const bundles: [string, Bundle][] = [
    ...droppedBundles(),
    ...exampleBundles(),
    ...(hl7.length > 0
      ? [["HL7's examples", { resourceType: "Bundle", type: "collection", entry: hl7 }] as [string, Bundle]]
      : []),
  ];
  const found = { loaded: 0, sent: 0, back: 0, equal: 0, left: 0, valid: 0 };
  const refused: string[] = [];
  for (const [name, bundle] of bundles) {
    const { entry = [] } = bundle;
    const answer = await fhir.load(bundle);
    if (answer.status !== 200) {
      refused.push(`${name}: ${answer.status} ${answer.reason}`);
      continue;
    }
    found.loaded += 1;
    const sent = new Set(entry.map(asData));
    const known = new Set(entry.flatMap(({ resource }) => faultsOf(resource)));
    const [open, masked] = await Promise.all(
      [true, false].map((isOpen) => chartsOf(fhir, answer.patientIds, isOpen)),
    );
    found.sent += entry.length;
    found.back += open?.length ?? 0;
    found.equal += open?.filter((one) => sent.has(asData(one))).length ?? 0;
    for (const { resource } of [...(open ?? []), ...(masked ?? [])]) {
      found.left += 1;
      if (faultsOf(resource).every((fault) => known.has(fault))) found.valid += 1;
    }
  }
  const percent = (part: number, whole: number) => (100 * part) / whole;
  return [
    {
      name: `bundles that load whole, of ${bundles.length}`,
      measured: found.loaded,
      unit: "count",
      note: refused.join("; ") || `${found.sent} resources`,
    },
    {
      name: "untouched resources that come back equal as data",
      measured: percent(found.equal, found.back),
      unit: "%",
      atLeast: 100,
      note: `${found.back} in charts of patients; the others are no patient's`,
    },
    {
      name: "exported resources that are valid, or as valid as they came",
      measured: percent(found.valid, found.left),
      unit: "%",
      atLeast: 100,
      note: "masked and unmasked, by r4.json and by @medplum/core",
    },
  ];
}

async function chartsOf(fhir: Fhir, patientIds: readonly string[], isOpen: boolean): Promise<Chart> {
  const charts: Chart = [];
  for (const id of new Set(patientIds)) charts.push(...(await fhir.everything(id, isOpen)));
  return charts;
}

const asData = ({ fullUrl, resource }: { fullUrl?: string; resource: FhirResource }): string =>
  canonicalJson([fullUrl ?? null, resource]);

const faultsOf = (resource: FhirResource): string[] => [
  ...findingsOf(resource).map(({ path, message }) => `${path.join(".")} ${message}`),
  ...secondOpinion(resource),
];
