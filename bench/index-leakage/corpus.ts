import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { normalise } from "@medvault/crypto";

/** An indexed column's content: its distinct values, and how many rows hold each. */
export interface Corpus {
  readonly title: string;
  readonly values: readonly { readonly text: string; readonly rows: number }[];
}

interface Resource {
  readonly resourceType: string;
  readonly name?: { readonly given?: string[]; readonly family?: string }[];
  readonly medicationCodeableConcept?: { readonly text?: string; readonly coding?: { display?: string }[] };
}

/** Synthea's people and prescriptions from `shared` where it exists, else those of `fixtures`. */
export function readCorpora(shared: string, fixtures: string): { source: string; corpora: Corpus[] } {
  const bundles = path.join(shared, "synthea_r4");
  const isShared = existsSync(bundles);
  const resources = readBundles(isShared ? bundles : fixtures);
  const people = resources.filter(({ resourceType }) => /^(Patient|Practitioner)$/.test(resourceType));
  const names = people.map(({ name }) => ({
    given: name?.[0]?.given?.join(" ") ?? "",
    family: name?.[0]?.family ?? "",
  }));
  const medications = resources
    .filter(({ resourceType }) => resourceType === "MedicationRequest")
    .map(({ medicationCodeableConcept: of }) => of?.text ?? of?.coding?.[0]?.display ?? "");
  if (isShared) names.push(...readCsvNames(path.join(shared, "synthea_csv")));
  return {
    source: isShared ? "Synthea (R4 bundles and CSV)" : "the project's own FHIR bundles",
    corpora: [counted("medications", medications), counted("names", names.map(searchNameOf))],
  };
}

/** A name as records indexes it: both orders in one text, without Synthea's numbers. */
function searchNameOf({ given, family }: { given: string; family: string }): string {
  const [first, last] = [given, family].map((name) => normalise(name.replace(/\d+/g, "")));
  return `${first} ${last} ${first}`.trim();
}

function readBundles(dir: string): Resource[] {
  return readdirSync(dir)
    .filter((file) => /\.json(\.gz)?$/.test(file))
    .sort()
    .flatMap((file) => {
      const bytes = readFileSync(path.join(dir, file));
      const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
      return (JSON.parse(text) as { entry?: { resource: Resource }[] }).entry ?? [];
    })
    .map(({ resource }) => resource);
}

function readCsvNames(dir: string): { given: string; family: string }[] {
  const patients = readCsv(path.join(dir, "patients.csv.gz")).map((row) => ({
    given: row.FIRST ?? "",
    family: row.LAST ?? "",
  }));
  const providers = readCsv(path.join(dir, "providers.csv.gz")).map((row) => {
    const [given = "", ...family] = (row.NAME ?? "").split(" ");
    return { given, family: family.join(" ") };
  });
  return [...patients, ...providers];
}

/** Synthea quotes nothing and has no commas within a field of the columns read here. */
function readCsv(file: string): Record<string, string>[] {
  const [head = "", ...lines] = gunzipSync(readFileSync(file)).toString("utf8").trim().split(/\r?\n/);
  const columns = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ""]));
  });
}

function counted(title: string, texts: readonly string[]): Corpus {
  const rows = new Map<string, { text: string; rows: number }>();
  for (const text of texts) {
    const key = normalise(text);
    if (key === "") continue;
    const known = rows.get(key);
    if (known) known.rows += 1;
    else rows.set(key, { text, rows: 1 });
  }
  return { title, values: [...rows.values()] };
}
