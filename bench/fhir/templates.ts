import { randomUUID } from "node:crypto";
import { type Bundle, exampleBundles } from "../../services/records/test/examples.ts";

type Entry = NonNullable<Bundle["entry"]>[number];

/**
 * Makes bundles of one patient with so many resources each, as varied as the examples are: copies
 * with full URLs, ids and identifiers of their own.
 */
export function bundlesOf(patientId: string, resources: number): () => Bundle {
  const templates = exampleBundles().flatMap(([, { entry = [] }]) => {
    const person = entry.find(({ resource }) => resource.resourceType === "Patient")?.fullUrl;
    return entry
      .filter(({ fullUrl }) => fullUrl !== person)
      .map((one) => JSON.stringify(one).replaceAll(person ?? patientId, patientId));
  });
  const patient: Entry = {
    fullUrl: patientId,
    resource: {
      resourceType: "Patient",
      identifier: [{ system: "urn:bench", value: `B-${patientId.slice(-12)}` }],
      name: [{ family: "Bench" }],
    },
  };
  let next = 0;
  return () => {
    const entry = Array.from({ length: resources - 1 }, () => {
      const made: Entry = JSON.parse(templates[next % templates.length] as string);
      next += 1;
      const { identifier } = made.resource;
      if (Array.isArray(identifier)) for (const one of identifier) one.value = `${one.value}-${next}`;
      const id = randomUUID();
      return { ...made, fullUrl: `urn:uuid:${id}`, resource: { ...made.resource, id } };
    });
    return { resourceType: "Bundle", type: "collection", entry: [patient, ...entry] };
  };
}
